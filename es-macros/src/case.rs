//! The default name of an event type, made from the name of a variant or a struct.

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

#[cfg(test)]
mod tests {
    use super::snake_case;

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
}
