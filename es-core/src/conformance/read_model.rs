//! Read models: leases and their fencing, checkpoints beside their effects, parts, words, documents, dead letters, versions
//! that serve, events appended with their effect.

pub mod checkpoints;
pub mod dead_letters;
pub mod divisions;
pub mod documents;
pub mod holds;
pub mod inline;
pub mod leases;
pub mod locks;
pub mod parts;
pub mod queries;
pub mod registration;
pub mod seizing;
pub mod serving;
pub mod status;
pub mod tasks;
pub mod words;

mod support;
