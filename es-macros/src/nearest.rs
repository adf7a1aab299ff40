//! Which word was meant.

/// The word of `known` that `word` was probably meant to be, if any is near enough.
pub(crate) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let near = |candidate: &&&str| distance(word, candidate) <= allowed(word);
    known.iter().filter(near).min_by_key(|candidate| distance(word, candidate)).copied()
}

/// Long words may hold more slips than short ones.
fn allowed(word: &str) -> usize {
    (word.chars().count() / 3).clamp(1, 3)
}

/// How many letters must be put in, taken out or changed to get from one word to the other (Levenshtein).
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in to.chars().enumerate() {
            let changed = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[to.chars().count()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn slips_are_recognised_and_strangers_are_not() {
        let known = ["category", "rename", "alias", "version", "upcast"];
        assert_eq!(nearest("categroy", &known), Some("category"));
        assert_eq!(nearest("aliases", &known), Some("alias"));
        assert_eq!(nearest("upcaster", &known), Some("upcast"));
        assert_eq!(nearest("verison", &known), Some("version"));
        assert_eq!(nearest("skip", &known), None);
    }
}
