//! Fields that queries may ask for: whether they hold what can be asked for.

use serde_json::{Map, Value};

use crate::codec::to_json;
use crate::document::Document;
use crate::runner::guard::guarded_call;

/// A field that queries are to ask for, and that holds what no query can ask for: a list, a map or a struct.
///
/// # Example: what it says
///
/// ```
/// # use es_core::{Event, IntoKeys, Recorded};
/// # #[derive(Event, serde::Serialize, serde::Deserialize)]
/// # #[event(category = "order")]
/// # enum OrderEvent { Placed }
/// use es_core::{Document, Runner, StartError};
///
/// #[derive(Default, serde::Serialize, serde::Deserialize)]
/// struct OrderLine {
///     labels: Vec<String>,
/// }
///
/// impl Document for OrderLine {
///     const NAME: &'static str = "order_line";
///     const INDEXED: &'static [&'static str] = &["labels"];
/// #     type Event = OrderEvent;
///     // …
/// #     fn key(_: &Recorded<OrderEvent>) -> impl IntoKeys {}
/// #     fn apply(&mut self, _: &Recorded<OrderEvent>) {}
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let refused = Runner::new(es_memory::MemoryStore::new()).document::<OrderLine>().start().await.unwrap_err();
/// let StartError::Index { source, .. } = refused else { panic!("it is refused for its index") };
/// assert!(source.to_string().starts_with("its indexed field `labels` holds a list, which no filter finds"));
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "its indexed field `{field}` holds {what}, which no filter finds: index fields that hold one value, a text, a number or a \
     truth value"
)]
pub struct InvalidIndex {
    field: &'static str,
    what: &'static str,
}

/// Looks at the document that every other one begins as. A field that is `null` there, or not there, may hold anything later, and
/// is let pass, as is a document that cannot be written: that is told of where it is met.
pub(crate) fn check_index<D: Document>() -> Result<(), InvalidIndex> {
    let written = guarded_call(|| to_json(&D::default()).ok()).ok().flatten();
    let fields = written.and_then(|json| serde_json::from_str::<Map<String, Value>>(&json).ok()).unwrap_or_default();
    for &field in D::INDEXED {
        let what = match fields.get(field) {
            Some(Value::Array(_)) => "a list",
            Some(Value::Object(_)) => "a map or a struct",
            _ => continue,
        };
        return Err(InvalidIndex { field, what });
    }
    Ok(())
}
