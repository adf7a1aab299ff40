//! Documents as text, which is what a store keeps of them.

use serde_json::Error as JsonError;

use crate::codec::to_json;
use crate::document::Document;
use crate::read_model::ProjectionId;

/// A document that cannot be read, or could not be once it is stored.
///
/// # Example: which one it is
///
/// ```
/// use es_core::Error;
///
/// fn told(error: &Error) -> Option<String> {
///     let Error::Document(document) = error else { return None };
///     Some(format!("look at {} of {}", document.key(), document.projection()))
/// }
/// # assert!(told(&Error::store("a full disk")).is_none());
/// ```
#[derive(Debug, thiserror::Error)]
#[error("{}", self.sentence())]
pub struct DocumentError {
    projection: ProjectionId,
    key: Box<str>,
    kind: Kind,
    source: JsonError,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Unreadable,
    /// Of the version that serves, which is not that of the type.
    OtherVersion {
        of_type: u32,
    },
    Unwritable,
    Unfaithful,
}

impl DocumentError {
    fn new(kind: Kind, projection: &ProjectionId, key: &str, source: JsonError) -> Self {
        Self { projection: projection.clone(), key: key.into(), kind, source }
    }

    /// Whose document it is: the version that was read or written.
    pub fn projection(&self) -> &ProjectionId {
        &self.projection
    }

    /// The document's key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Whether the document is stored, and does not fit its type. Otherwise it was to be stored, and was not.
    pub fn is_stored(&self) -> bool {
        matches!(self.kind, Kind::Unreadable | Kind::OtherVersion { .. })
    }

    fn sentence(&self) -> String {
        let Self { projection, key, kind, .. } = self;
        match kind {
            Kind::Unreadable => format!(
                "document `{key}` of `{projection}` does not fit its type any more: give the type a new version, so that it \
                 is built anew"
            ),
            Kind::OtherVersion { of_type } if *of_type < projection.version() => format!(
                "document `{key}` of `{projection}`, the version that serves, does not fit the type of version {of_type}, which \
                 is older: deploy the newer type, or read the type's own version, without `serving`"
            ),
            Kind::OtherVersion { of_type } => format!(
                "document `{key}` of `{projection}`, the version that serves, does not fit the type of version {of_type}, which \
                 is newer: let the type read both, or read its own version, without `serving`"
            ),
            Kind::Unwritable => format!("document `{key}` of `{projection}` cannot be written as JSON"),
            Kind::Unfaithful => format!(
                "document `{key}` of `{projection}` could not be read again once it is stored, because JSON does not hold \
                 what is in it"
            ),
        }
    }
}

/// Reads a stored document, of the type's own version or of the one that serves.
pub(crate) fn decode<D: Document>(id: &ProjectionId, key: &str, json: &str) -> Result<D, DocumentError> {
    let is_own = id.version() == D::VERSION;
    let kind = if is_own { Kind::Unreadable } else { Kind::OtherVersion { of_type: D::VERSION } };
    serde_json::from_str(json).map_err(|source| DocumentError::new(kind, id, key, source))
}

/// Writes a document, and reads it once: one that could not be read would stand in the way of everything that comes later, its
/// own events and the page of a list that it is on.
pub(crate) fn encode<D: Document>(id: &ProjectionId, key: &str, document: &D) -> Result<String, DocumentError> {
    let failed = |kind| move |source| DocumentError::new(kind, id, key, source);
    let json = to_json(document).map_err(failed(Kind::Unwritable))?;
    serde_json::from_str::<D>(&json).map_err(failed(Kind::Unfaithful))?;
    Ok(json)
}
