//! Whether a command says whom it is for.

use syn::{Fields, Path};

use crate::check::{no_lifetimes, no_rust_union};
use crate::ctxt::Ctxt;
use crate::model::{Command, Target};

pub(crate) fn command(ctxt: &Ctxt, command: &Command<'_>) {
    no_rust_union(ctxt, command.input, "Command");
    no_lifetimes(ctxt, command.input, "a command");
    let ident = &command.input.ident;
    if command.is_enum() && command.targets.is_empty() {
        ctxt.mistake(ident, "this enum has no variants, so it is no command; write a variant for each");
    }
    if command.aggregate.is_none() && !command.seen.excuses("aggregate") {
        ctxt.mistake(ident, "whom is the command for? Write `#[command(aggregate = TheAggregate)]`");
    }
    command.targets.iter().for_each(|target| has_one_id(ctxt, target));
    handler(ctxt, command);
}

fn has_one_id(ctxt: &Ctxt, target: &Target<'_>) {
    match target.marked.as_slice() {
        [] if target.called_id.is_some() => {}
        [] => ctxt.mistake(target.ident, lacks_id(target)),
        [_] => {}
        [(first, _), others @ ..] => {
            let first = quote::quote!(#first);
            for (_, mark) in others {
                ctxt.mistake(
                    mark,
                    format!("field `{first}` is marked as the id already; a command is for one aggregate"),
                );
            }
        }
    }
}

fn lacks_id(target: &Target<'_>) -> String {
    let ident = target.ident;
    match target.fields {
        Fields::Unit => {
            format!("`{ident}` does not say for which aggregate it is: give it a field, `{ident} {{ id: TheId }}`")
        }
        Fields::Named(_) => {
            format!("which field of `{ident}` is the aggregate's id? Call it `id`, or mark it `#[command(id)]`")
        }
        Fields::Unnamed(_) => format!("which field of `{ident}` is the aggregate's id? Mark it `#[command(id)]`"),
    }
}

fn handler(ctxt: &Ctxt, command: &Command<'_>) {
    match (&command.handle, &command.error) {
        (Some((key, _)), None) if !command.seen.excuses("error") => {
            ctxt.mistake(key, "`handle` needs the type of its refusals: add `error = TheError`");
        }
        (None, Some((key, _))) if !command.seen.excuses("handle") => {
            ctxt.mistake(
                key,
                "`error` is the error of `handle`: add `handle = TheAggregate::decide`, or remove `error`",
            );
        }
        _ => {}
    }
    let starts_with_self = |path: &&Path| path.segments.first().is_some_and(|first| first.ident == "Self");
    if let Some(path) = command.handle.as_ref().map(|(_, path)| path).filter(starts_with_self) {
        ctxt.mistake(path, "`Self` could be the command or the aggregate: write the type's name");
    }
}
