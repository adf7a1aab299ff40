//! Who decides on a command: the aggregate alone, or with services.

use std::future::{Future, ready};

use crate::aggregate::Aggregate;
use crate::command::{Command, Context, Handle, HandleWith};
use crate::event::IntoEvents;

/// How a command is decided: by [`Handle`] or by [`HandleWith`]. Sealed.
pub trait Decide<C: Command>: Send + Sync + sealed::Sealed {
    /// The domain's own reason to say no.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Whether a decision is made at once. Who decides in his own time may execute other commands meanwhile, and must not keep
    /// them waiting.
    #[doc(hidden)]
    const AT_ONCE: bool;

    #[doc(hidden)]
    fn decide(
        &self,
        state: &C::Aggregate,
        command: C,
        context: &Context,
    ) -> impl Future<Output = Result<Vec<<C::Aggregate as Aggregate>::Event>, Self::Error>> + Send;
}

/// Decides by [`Handle`].
#[derive(Clone, Copy, Debug)]
pub struct Pure;

/// Decides by [`HandleWith`], with these services.
#[derive(Clone, Copy, Debug)]
pub struct With<'s, V>(pub(crate) &'s V);

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Pure {}
    impl<V> Sealed for super::With<'_, V> {}
}

impl<C: Command> Decide<C> for Pure
where
    C::Aggregate: Handle<C>,
{
    type Error = <C::Aggregate as Handle<C>>::Error;

    const AT_ONCE: bool = true;

    fn decide(
        &self,
        state: &C::Aggregate,
        command: C,
        context: &Context,
    ) -> impl Future<Output = Result<Vec<<C::Aggregate as Aggregate>::Event>, Self::Error>> + Send {
        let mut events = Vec::new();
        ready(state.handle(command, context).map(|decided| {
            decided.append_to(&mut events);
            events
        }))
    }
}

impl<C: Command, V: Sync> Decide<C> for With<'_, V>
where
    C::Aggregate: HandleWith<C, V>,
{
    type Error = <C::Aggregate as HandleWith<C, V>>::Error;

    const AT_ONCE: bool = false;

    async fn decide(
        &self,
        state: &C::Aggregate,
        command: C,
        context: &Context,
    ) -> Result<Vec<<C::Aggregate as Aggregate>::Event>, Self::Error> {
        let mut events = Vec::new();
        state.handle_with(command, context, self.0).await?.append_to(&mut events);
        Ok(events)
    }
}
