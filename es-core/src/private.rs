//! What the derives call. Not for anybody else: it changes without notice.

pub use crate::codec::{
    concat_types, decode_struct, decode_variant, encode_struct, encode_variant, overlap, owns, unknown_type,
};
pub use serde_json::Value;
pub use std::borrow::Cow;
