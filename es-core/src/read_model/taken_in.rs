//! What a projection has been through: by which filter, and how far.

use std::borrow::Cow;
use std::fmt;

use crate::recorded::Position;
use crate::store::EventFilter;

/// What a known projection has taken in: what passed the filter, up to a place.
///
/// # Example: nothing is behind it yet
///
/// ```
/// use es_core::{EventFilter, Position, TakenIn};
///
/// let nothing = TakenIn::new(EventFilter::categories(["loan"]), Position::START);
/// assert_eq!(nothing.to, Position::START);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TakenIn {
    /// What those who run it want to see, since it was last [taken up](crate::ReadModelStore::take_up).
    pub filter: EventFilter,
    /// Up to here a part of it has taken in what passes, and will not do so again: what is to be rebuilt has nothing behind it, and
    /// what is to be rewound what lies before that place. For what is written inline it is the end of the log.
    pub to: Position,
}

impl TakenIn {
    /// What passed the filter, up to a place.
    pub fn new(filter: EventFilter, to: Position) -> Self {
        Self { filter, to }
    }

    /// What of its history it has not seen if it wants this much from now on.
    pub(crate) fn missed(&self, wanted: &EventFilter) -> Option<Missed> {
        if self.to > Position::START { self.wider(wanted) } else { None }
    }

    /// What it did not want to see so far.
    pub(crate) fn wider(&self, wanted: &EventFilter) -> Option<Missed> {
        let more = |wanted: &[Cow<'static, str>], kept: &[Cow<'static, str>]| match (wanted, kept) {
            (_, []) => None,
            ([], _) => Some(Vec::new()),
            _ => Some(wanted.iter().filter(|name| !kept.contains(name)).cloned().collect::<Vec<_>>())
                .filter(|names| !names.is_empty()),
        };
        let categories = more(wanted.wanted_categories(), self.filter.wanted_categories());
        let types = more(wanted.wanted_types(), self.filter.wanted_types());
        (categories.is_some() || types.is_some()).then_some(Missed { categories, types })
    }
}

/// Names that were added to a filter; none of a kind stands for all there are.
#[derive(Debug)]
pub(crate) struct Missed {
    categories: Option<Vec<Cow<'static, str>>>,
    types: Option<Vec<Cow<'static, str>>>,
}

impl fmt::Display for Missed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = [("category", "categories", &self.categories), ("type", "types", &self.types)];
        let mut before = "";
        for (one, many, names) in kinds {
            let Some(names) = names else { continue };
            f.write_str(before)?;
            match &names[..] {
                [] => write!(f, "events of all {many}")?,
                [name] => write!(f, "events of the {one} `{name}`")?,
                names => write!(f, "events of the {many} `{}`", names.join("`, `"))?,
            }
            before = ", and ";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missed(kept: EventFilter, wanted: EventFilter) -> Option<String> {
        TakenIn::new(kept, Position(1)).missed(&wanted).map(|missed| missed.to_string())
    }

    #[test]
    fn what_is_wider_has_missed_something() {
        let loans = || EventFilter::categories(["loan"]);
        let both = || EventFilter::categories(["fine", "loan"]);
        assert_eq!(missed(loans(), both()).unwrap(), "events of the category `fine`");
        assert_eq!(missed(loans(), EventFilter::all()).unwrap(), "events of all categories");
        assert_eq!(missed(loans().types(["loan.lent"]), loans()).unwrap(), "events of all types");
        let wider = both().types(["loan.lent", "fine.charged", "fine.paid"]);
        assert_eq!(
            missed(loans().types(["loan.lent"]), wider).unwrap(),
            "events of the category `fine`, and events of the types `fine.charged`, `fine.paid`"
        );
    }

    #[test]
    fn what_is_no_wider_has_not() {
        let loans = || EventFilter::categories(["loan"]);
        let both = || EventFilter::categories(["fine", "loan"]);
        assert_eq!(missed(both(), EventFilter::categories(["loan", "fine"])), None, "in another order");
        assert_eq!(missed(both(), loans()), None);
        assert_eq!(missed(EventFilter::all(), both().types(["fine.paid"])), None);
        assert_eq!(missed(loans().types(["loan.lent", "loan.ended"]), loans().types(["loan.lent"])), None);
    }

    #[test]
    fn nothing_is_missed_where_nothing_is_behind_it() {
        let fresh = TakenIn::new(EventFilter::categories(["loan"]), Position::START);
        assert!(fresh.missed(&EventFilter::all()).is_none());
    }
}
