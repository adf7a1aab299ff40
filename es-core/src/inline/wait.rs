//! Commands on an inline store that wait for projections.

use std::future::IntoFuture;

use crate::command::Command;
use crate::document::Document;
use crate::error::ExecuteError;
use crate::execute::{Decide, Execute};
use crate::inline::Inline;
use crate::read_model::{ProjectionId, ReadModelStore};
use crate::store::BoxFuture;
use crate::visible::{ExecuteAndWait, Visible};

/// What is inline shows as soon as the command is done. Others, which a runner keeps over the same store, are waited for.
impl<'a, S: ReadModelStore, C, D> Execute<'a, Inline<S>, C, D> {
    /// Waits, when the command is done, until these projections have taken it in, in whichever process they run.
    pub fn wait_for(self, projections: impl IntoIterator<Item = ProjectionId>) -> ExecuteAndWait<'a, Inline<S>, C, D> {
        ExecuteAndWait::new(self).wait_for(projections)
    }

    /// Waits, when the command is done, until the documents of type `R` have taken it in.
    pub fn wait_for_document<R: Document>(self) -> ExecuteAndWait<'a, Inline<S>, C, D> {
        ExecuteAndWait::new(self).wait_for_document::<R>()
    }
}

impl<'a, S: ReadModelStore, C: Command, D: Decide<C> + 'a> IntoFuture for ExecuteAndWait<'a, Inline<S>, C, D> {
    type Output = Result<Visible<C::Aggregate>, ExecuteError<D::Error>>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run(Inline::inner))
    }
}
