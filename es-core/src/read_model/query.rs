//! Which documents to list.

/// Which documents a store is to list: those behind a key whose indexed fields have these values. For stores; callers ask
/// [`Documents`](crate::Documents).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DocumentQuery {
    /// Only documents whose key comes behind this one, in the order of the keys' bytes.
    pub after: Option<String>,
    /// At most so many.
    pub limit: u32,
    /// Only documents in which each of these fields, at the top of the JSON, has this value. A text is compared as it is, a
    /// number and a truth value as they stand in the JSON. A field that is `null`, or not there, has no value, and one
    /// that holds a list or an object is never asked for.
    pub equal: Vec<(&'static str, String)>,
}

impl DocumentQuery {
    /// At most `limit` documents, from the first key on.
    pub fn new(limit: u32) -> Self {
        Self { after: None, limit, equal: Vec::new() }
    }
}
