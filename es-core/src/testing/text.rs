//! What a failed expectation looks like.

use serde_json::Value;
use similar::TextDiff;

/// JSON as a person would want to read it, with a line break behind it.
pub(super) fn pretty(json: &str) -> String {
    let pretty = serde_json::from_str::<Value>(json).and_then(|value| serde_json::to_string_pretty(&value));
    pretty.unwrap_or_else(|_| json.to_owned()) + "\n"
}

/// So many unchanged lines are shown around a change: more than any story has. The diff reckons with twice as many.
const ALL_LINES: usize = usize::MAX / 4;

pub(super) fn diff(expected: &str, actual: &str) -> String {
    TextDiff::from_lines(expected, actual)
        .unified_diff()
        .context_radius(ALL_LINES)
        .header("expected", "actual")
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diff_shows_what_differed() {
        let text = diff(&pretty(r#"{"x":1,"y":2}"#), &pretty(r#"{"x":1,"y":3}"#));
        assert!(text.contains("-  \"y\": 2\n+  \"y\": 3"), "{text}");
        assert!(text.contains("   \"x\": 1"), "unchanged lines are shown, too: {text}");
    }
}
