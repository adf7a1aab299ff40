//! The name and version of a read model.

use std::fmt;

/// The longest name of a projection, in bytes: it becomes part of a table's name.
pub const MAX_PROJECTION_NAME_BYTES: usize = 40;

/// One version of one read model.
///
/// # Example: names become part of table names, so they are plain
///
/// ```
/// use es_core::ProjectionId;
///
/// assert_eq!(ProjectionId::new("balances", 2)?.to_string(), "balances v2");
/// assert!(ProjectionId::new("Balances!", 1).is_err());
/// # Ok::<(), es_core::InvalidProjection>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProjectionId {
    name: String,
    version: u32,
}

/// A name that no read model can have.
///
/// # Example: what it says
///
/// ```
/// let refused = es_core::ProjectionId::new("", 1).unwrap_err();
/// assert!(refused.to_string().contains("lower-case letters"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{name:?} cannot be the name of a projection: 1 to {MAX_PROJECTION_NAME_BYTES} lower-case letters, digits and `_`, \
     with a letter first"
)]
pub struct InvalidProjection {
    name: String,
}

impl ProjectionId {
    /// Names one version of one read model.
    ///
    /// # Errors
    /// [`InvalidProjection`] for a name that is not made of lower-case letters, digits and `_` alone.
    pub fn new(name: impl Into<String>, version: u32) -> Result<Self, InvalidProjection> {
        let name = name.into();
        let plain = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_');
        let fits = (1..=MAX_PROJECTION_NAME_BYTES).contains(&name.len()) && name.bytes().all(plain);
        if fits && name.starts_with(|c: char| c.is_ascii_lowercase()) {
            Ok(Self { name, version })
        } else {
            Err(InvalidProjection { name })
        }
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The version.
    pub fn version(&self) -> u32 {
        self.version
    }
}

impl fmt::Display for ProjectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} v{}", self.name, self.version)
    }
}

impl fmt::Debug for ProjectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProjectionId({self})")
    }
}
