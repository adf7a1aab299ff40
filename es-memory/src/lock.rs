//! Locks that outlive a panic.
//!
//! No code of a caller ever runs under a lock of this crate, and whatever could be refused is checked before the first change
//! under one. So a lock that was poisoned still guards a state that is whole.

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// How many appends are copied out under one lock at the most, so that a long read never holds up a writer for long.
pub(crate) const PAGE: usize = 512;

pub(crate) fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}
