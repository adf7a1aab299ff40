//! Which documents a query asks for.

use std::collections::BTreeMap;

use es_core::DocumentQuery;
use serde_json::value::RawValue;

/// Whether the document's fields have the values that are asked for.
pub(crate) fn asks_for(query: &DocumentQuery, json: &str) -> bool {
    if query.equal.is_empty() {
        return true;
    }
    // What is no object has no fields.
    let Ok(fields) = serde_json::from_str::<BTreeMap<String, &RawValue>>(json) else { return false };
    query.equal.iter().all(|(field, value)| fields.get(*field).is_some_and(|stored| is(stored.get(), value)))
}

/// Whether a value, as it stands in the JSON, is the one that is asked for.
fn is(stored: &str, asked: &str) -> bool {
    match stored.as_bytes().first() {
        Some(b'"') => serde_json::from_str::<String>(stored).is_ok_and(|text| text == asked),
        Some(b'{' | b'[' | b'n') => false,
        _ => stored == asked,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(json: &str, value: &str) -> bool {
        let mut query = DocumentQuery::new(1);
        query.equal.push(("field", value.to_owned()));
        asks_for(&query, json)
    }

    #[test]
    fn numbers_are_compared_as_they_stand_in_the_json() {
        for number in ["7", "-7", "1.50", "1e3", "340282366920938463463374607431768211455"] {
            assert!(found(&format!(r#"{{ "field" : {number} }}"#), number), "{number}");
        }
        assert!(!found(r#"{"field":7}"#, "7.0"));
    }

    #[test]
    fn texts_are_compared_without_their_quotes_and_escapes() {
        assert!(found(r#"{"field":"a\"\u00e4"}"#, "a\"ä"));
        assert!(!found(r#"{"field":"a"}"#, "\"a\""));
    }

    #[test]
    fn what_is_no_scalar_is_never_asked_for() {
        for value in ["null", "[]", "{}", r#"["a"]"#] {
            assert!(!found(&format!(r#"{{"field":{value}}}"#), value), "{value}");
            assert!(!found(value, value), "{value}");
        }
        assert!(found(r#"{"field":"null"}"#, "null"), "a text that reads like it is a text");
    }

    #[test]
    fn only_fields_at_the_top_count() {
        assert!(!found(r#"{"inner":{"field":"a"}}"#, "a"));
    }
}
