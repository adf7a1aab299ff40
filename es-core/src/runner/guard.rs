//! Other people's code: its panics are failures like any other, and its errors are told with all their causes.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

/// A panic in the own code of a projection, a reactor or an effect, or of the types that they read.
#[derive(Debug, thiserror::Error)]
#[error("the code panicked: {0}")]
pub(crate) struct Panicked(String);

impl Panicked {
    /// What it said.
    pub(crate) fn into_message(self) -> String {
        self.0
    }

    fn of(panic: &(dyn Any + Send)) -> Self {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        Self(text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without a message".to_owned()))
    }
}

/// Runs a future to its end, or to its panic. Whatever it was working on is to be thrown away then.
pub(crate) async fn guarded<T>(future: impl Future<Output = T>) -> Result<T, Panicked> {
    let mut future = pin!(future);
    let poll = |cx: &mut std::task::Context<'_>| match guarded_call(|| future.as_mut().poll(cx)) {
        Ok(poll) => poll.map(Ok),
        Err(panicked) => Poll::Ready(Err(panicked)),
    };
    std::future::poll_fn(poll).await
}

pub(crate) fn guarded_call<T>(call: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|panic| Panicked::of(&*panic))
}

/// An error with all its causes, in one line. Many errors repeat their cause in their own text; it is told once.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let sources = std::iter::successors(error.source(), |source| source.source());
    sources.fold(error.to_string(), |text, source| {
        let source = source.to_string();
        if text.ends_with(&source) { text } else { format!("{text}: {source}") }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Told {
        text: &'static str,
        source: Option<Box<Told>>,
    }

    fn told(texts: &[&'static str]) -> String {
        let error = texts.iter().rev().fold(None, |source, text| Some(Box::new(Told { text, source })));
        error.map(|error| chain(&*error)).unwrap_or_default()
    }

    #[test]
    fn each_cause_is_told_once() {
        assert_eq!(told(&["no answer"]), "no answer");
        assert_eq!(told(&["no answer", "refused", "no route"]), "no answer: refused: no route");
        // Some show their cause in their own text, or nothing else.
        assert_eq!(told(&["no answer: refused", "refused", "no route"]), "no answer: refused: no route");
        assert_eq!(
            told(&["no answer: refused: no route", "refused: no route", "no route"]),
            "no answer: refused: no route"
        );
        assert_eq!(told(&["refused", "refused"]), "refused");
        assert_eq!(told(&["refused by the server", "refused"]), "refused by the server: refused");
    }
}
