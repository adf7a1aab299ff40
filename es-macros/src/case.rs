//! The default name of what is stored, made from the name of a type or a variant; and the names that serde makes of fields.

/// `OrderPaid` becomes `order_paid`, `SKUChanged` becomes `sku_changed`, `V2Opened` becomes `v2_opened`.
///
/// Names made here are stored for ever: the rule must not change.
pub(crate) fn snake_case(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    let mut snake = String::with_capacity(name.len() + 4);
    for (i, &letter) in letters.iter().enumerate() {
        let previous = i.checked_sub(1).and_then(|before| letters.get(before));
        if starts_word(previous.copied(), letter, letters.get(i + 1).copied()) {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}

/// A capital starts a word after anything but a capital, and also as the last capital of several (`SKUChanged`).
fn starts_word(previous: Option<char>, letter: char, next: Option<char>) -> bool {
    letter.is_uppercase()
        && match previous {
            None | Some('_') => false,
            Some(previous) if previous.is_uppercase() => next.is_some_and(char::is_lowercase),
            Some(_) => true,
        }
}

/// What serde's `rename_all = "rule"` makes of the name of a field. `None` for a rule that serde does not have either.
pub(crate) fn of_field(rule: &str, field: &str) -> Option<String> {
    Some(match rule {
        "lowercase" | "snake_case" => field.to_owned(),
        "UPPERCASE" | "SCREAMING_SNAKE_CASE" => field.to_ascii_uppercase(),
        "PascalCase" => pascal_case(field),
        "camelCase" => lower_first(&pascal_case(field)),
        "kebab-case" => field.replace('_', "-"),
        "SCREAMING-KEBAB-CASE" => field.to_ascii_uppercase().replace('_', "-"),
        _ => return None,
    })
}

fn pascal_case(field: &str) -> String {
    field.split('_').map(|word| with_first(word, |first| first.to_ascii_uppercase())).collect()
}

fn lower_first(name: &str) -> String {
    with_first(name, |first| first.to_ascii_lowercase())
}

fn with_first(word: &str, change: fn(char) -> char) -> String {
    let mut letters = word.chars();
    letters.next().map(change).into_iter().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::{of_field, snake_case};

    #[test]
    fn words_are_found() {
        for (name, snake) in [
            ("Opened", "opened"),
            ("OrderPaid", "order_paid"),
            ("SKUChanged", "sku_changed"),
            ("ChangedSKU", "changed_sku"),
            ("V2Opened", "v2_opened"),
            ("Opened2", "opened2"),
            ("Opened_Twice", "opened_twice"),
            ("opened", "opened"),
            ("A", "a"),
            ("ÉtatChangé", "état_changé"),
            ("开户", "开户"),
        ] {
            assert_eq!(snake_case(name), snake);
        }
    }
    #[test]
    fn fields_are_renamed_as_serde_does_it() {
        for (rule, name) in [
            ("lowercase", "first_name_2"),
            ("snake_case", "first_name_2"),
            ("UPPERCASE", "FIRST_NAME_2"),
            ("SCREAMING_SNAKE_CASE", "FIRST_NAME_2"),
            ("PascalCase", "FirstName2"),
            ("camelCase", "firstName2"),
            ("kebab-case", "first-name-2"),
            ("SCREAMING-KEBAB-CASE", "FIRST-NAME-2"),
        ] {
            assert_eq!(of_field(rule, "first_name_2").as_deref(), Some(name));
        }
        assert_eq!(of_field("Title Case", "first_name"), None);
    }
}
