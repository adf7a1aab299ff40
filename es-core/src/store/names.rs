//! Whether the names in a filter are names of events that there are.

use std::borrow::Cow;

use crate::event::Event;
use crate::store::EventFilter;

/// A filter that names what the events do not have, or that could not be asked for. Refused when a projection is started, since
/// such a projection would see nothing of what was meant, and say nothing about it.
///
/// # Example: what it says
///
/// ```
/// # use es_core::{Document, Event, IntoKeys, Recorded};
/// # #[derive(Event, serde::Serialize, serde::Deserialize)]
/// # #[event(category = "order")]
/// # enum OrderEvent { Placed, Paid }
/// # #[derive(Default, serde::Serialize, serde::Deserialize)]
/// # struct Payments;
/// use es_core::{EventFilter, Runner};
///
/// impl Document for Payments {
///     // …
/// #    const NAME: &'static str = "payments";
/// #    type Event = OrderEvent;
/// #    fn key(_: &Recorded<OrderEvent>) -> impl IntoKeys {}
/// #    fn apply(&mut self, _: &Recorded<OrderEvent>) {}
///     fn filter() -> EventFilter {
///         EventFilter::of::<OrderEvent>().types(["order.payed"])
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let refused = Runner::new(es_memory::MemoryStore::new()).document::<Payments>().start().await.unwrap_err();
/// assert_eq!(
///     refused.to_string(),
///     "projection `payments v1`: its filter names the type `order.payed`, which no event has that could pass: they are of the \
///      types `order.placed`, `order.paid`"
/// );
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidFilter {
    /// A category that none of the events has.
    #[error(
        "its filter names the category `{name}`, which none of its events has: they are of the categories {}",
        list(known)
    )]
    UnknownCategory {
        /// What it names.
        name: String,
        /// The categories that there are.
        known: Vec<&'static str>,
    },
    /// A type that none of the events has, or none of those in the categories that it names.
    #[error(
        "its filter names the type `{name}`, which no event has that could pass: they are of the types {}",
        list(known)
    )]
    UnknownType {
        /// What it names.
        name: String,
        /// The types that there are in these categories. Their aliases are known, too.
        known: Vec<&'static str>,
    },
    /// It panicked when it was asked for.
    #[error("its filter could not be asked for: {message}")]
    Panicked {
        /// What it said.
        message: String,
    },
}

fn list(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

impl EventFilter {
    /// A filter may be wider than the events: without any name it lets everything pass. But each name that it has is one of theirs. A
    /// set that lists no types reads whatever comes, so there is nothing that a name could be compared with.
    pub(crate) fn check<E: Event>(&self) -> Result<(), InvalidFilter> {
        if E::TYPES.is_empty() {
            return Ok(());
        }
        let unknown = |name: &&Cow<'static, str>| !E::TYPES.iter().any(|known| known.category() == name.as_ref());
        if let Some(name) = self.wanted_categories().iter().find(unknown) {
            let known = distinct(E::TYPES.iter().map(|known| known.category()));
            return Err(InvalidFilter::UnknownCategory { name: name.to_string(), known });
        }
        let categories = self.wanted_categories();
        let can_pass = |category: &str| categories.is_empty() || categories.iter().any(|wanted| wanted == category);
        let could_pass = || E::TYPES.iter().filter(|known| can_pass(known.category()));
        match self.wanted_types().iter().find(|name| !could_pass().any(|known| known.is_called(name))) {
            Some(name) => {
                let known = distinct(could_pass().map(|known| known.name()));
                Err(InvalidFilter::UnknownType { name: name.to_string(), known })
            }
            None => Ok(()),
        }
    }
}

/// In their order.
fn distinct(names: impl Iterator<Item = &'static str>) -> Vec<&'static str> {
    let mut all = Vec::new();
    for name in names {
        if !all.contains(&name) {
            all.push(name);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{DecodeError, DecodeErrorKind, EncodeError};
    use crate::event::{EncodedEvent, EventType};

    /// Events of two categories.
    struct Known;

    impl Event for Known {
        const TYPES: &'static [EventType] = &[
            EventType::new("account", "account.opened").with_aliases(&["account.created"]),
            EventType::new("account", "account.closed"),
            EventType::new("order", "order.placed"),
        ];

        fn event_type(&self) -> &'static EventType {
            &Self::TYPES[0]
        }

        fn encode(&self) -> Result<String, EncodeError> {
            Ok("{}".to_owned())
        }

        fn decode(stored: EncodedEvent<'_>) -> Result<Self, DecodeError> {
            Err(DecodeError::new(stored, DecodeErrorKind::UnknownType))
        }
    }

    /// Reads whatever comes.
    struct Anything;

    impl Event for Anything {
        const TYPES: &'static [EventType] = &[];

        fn event_type(&self) -> &'static EventType {
            &Known::TYPES[0]
        }

        fn encode(&self) -> Result<String, EncodeError> {
            Ok("{}".to_owned())
        }

        fn decode(_: EncodedEvent<'_>) -> Result<Self, DecodeError> {
            Ok(Self)
        }
    }

    #[test]
    fn names_of_events_may_be_named() {
        let account = || EventFilter::categories(["account"]);
        for filter in [
            EventFilter::all(),
            EventFilter::of::<Known>(),
            EventFilter::all().types(["order.placed"]),
            EventFilter::of::<Known>().types(["account.opened", "account.created"]),
            account(),
            account().types(["account.closed"]),
        ] {
            assert_eq!(filter.check::<Known>(), Ok(()), "{filter:?}");
        }
        assert_eq!(EventFilter::categories(["parcel"]).types(["parcel.sent"]).check::<Anything>(), Ok(()));
    }

    #[test]
    fn other_names_may_not() {
        let category =
            |name: &str| InvalidFilter::UnknownCategory { name: name.into(), known: vec!["account", "order"] };
        for (filter, name) in [
            (EventFilter::categories(["acount"]), "acount"),
            (EventFilter::categories(["order", "parcel"]), "parcel"),
            (EventFilter::categories(["Order"]).types(["order.placed"]), "Order"),
        ] {
            assert_eq!(filter.check::<Known>(), Err(category(name)));
        }
        let unknown = |name: &str, known: &[&'static str]| {
            Err(InvalidFilter::UnknownType { name: name.into(), known: known.to_vec() })
        };
        let all = ["account.opened", "account.closed", "order.placed"];
        let filter = EventFilter::all().types(["account.opened", "account.opend"]);
        assert_eq!(filter.check::<Known>(), unknown("account.opend", &all));
        // Another type of that name, but none that could pass.
        let filter = EventFilter::categories(["order"]).types(["account.opened"]);
        assert_eq!(filter.check::<Known>(), unknown("account.opened", &["order.placed"]));
        let text = filter.check::<Known>().unwrap_err().to_string();
        assert!(text.ends_with("they are of the types `order.placed`"), "{text}");
    }
}
