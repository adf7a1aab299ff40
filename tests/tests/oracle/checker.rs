//! What a reader of the log may have seen, given what is there: the judge of every run, and of the judge's own tests.

use std::collections::{BTreeMap, HashMap, HashSet};

use uuid::Uuid;

/// An event as it lies in the table.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Stored {
    pub id: Uuid,
    pub stream: String,
    pub version: u64,
}

/// An event as a reader met it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub position: u64,
    pub event: Stored,
}

/// What must never happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Violation {
    /// It was committed, and the reader has passed it.
    Missed(Stored),
    /// The reader was given it twice.
    Doubled(Stored),
    /// The reader was given something that is not there.
    NeverCommitted(Stored),
    /// The place is not above the one before it.
    Backwards { before: u64, then: Seen },
    /// The stream's events came in another order than that of their versions.
    StreamTorn { stream: String, expected: u64, then: Seen },
    /// A stream has no such version, or has it twice.
    Versions { stream: String, versions: Vec<u64> },
}

/// Judges what one reader has seen against all that was committed.
pub fn judge(committed: &[Stored], seen: &[Seen]) -> Vec<Violation> {
    let mut violations = judge_order(seen);
    let there: HashSet<&Stored> = committed.iter().collect();
    let mut given = HashSet::new();
    for seen in seen {
        if !there.contains(&seen.event) {
            violations.push(Violation::NeverCommitted(seen.event.clone()));
        }
        if !given.insert(&seen.event) {
            violations.push(Violation::Doubled(seen.event.clone()));
        }
    }
    let missed = committed.iter().filter(|stored| !given.contains(stored));
    violations.extend(missed.cloned().map(Violation::Missed));
    violations
}

/// Places rise, and each stream's versions count.
fn judge_order(seen: &[Seen]) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut before = 0;
    let mut next: HashMap<&str, u64> = HashMap::new();
    for seen in seen {
        if seen.position <= before {
            violations.push(Violation::Backwards { before, then: seen.clone() });
        }
        before = seen.position;
        let expected = next.entry(&seen.event.stream).or_insert(1);
        if seen.event.version != *expected {
            let stream = seen.event.stream.clone();
            violations.push(Violation::StreamTorn { stream, expected: *expected, then: seen.clone() });
        }
        *expected = seen.event.version + 1;
    }
    violations
}

/// Whether every stream counts 1, 2, 3, ….
pub fn judge_streams(committed: &[Stored]) -> Vec<Violation> {
    let mut streams: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for stored in committed {
        streams.entry(&stored.stream).or_default().push(stored.version);
    }
    let mut violations = Vec::new();
    for (stream, mut versions) in streams {
        versions.sort_unstable();
        if versions.iter().zip(1..).any(|(version, expected)| *version != expected) {
            violations.push(Violation::Versions { stream: stream.to_owned(), versions });
        }
    }
    violations
}

/// The judge must be able to condemn.
#[cfg(test)]
mod tests {
    use super::*;

    fn stored(id: u128, stream: &str, version: u64) -> Stored {
        Stored { id: Uuid::from_u128(id), stream: stream.to_owned(), version }
    }

    /// Two events of stream a, one of stream b, as they were committed and as a right reader sees them.
    fn right() -> (Vec<Stored>, Vec<Seen>) {
        let committed = vec![stored(1, "a", 1), stored(2, "a", 2), stored(3, "b", 1)];
        let seen = (4..).step_by(2).zip(committed.clone()).map(|(position, event)| Seen { position, event }).collect();
        (committed, seen)
    }

    #[test]
    fn the_judge_lets_a_right_reader_go() {
        let (committed, seen) = right();
        assert_eq!(judge(&committed, &seen), []);
        assert_eq!(judge_streams(&committed), []);
    }

    #[test]
    fn the_judge_finds_what_was_missed_doubled_or_invented() {
        let (committed, mut seen) = right();
        seen.pop();
        assert_eq!(judge(&committed, &seen), [Violation::Missed(committed[2].clone())]);

        let (_, mut seen) = right();
        seen.push(Seen { position: 9, event: committed[0].clone() });
        assert!(judge(&committed, &seen).contains(&Violation::Doubled(committed[0].clone())));

        let (_, mut seen) = right();
        seen.push(Seen { position: 9, event: stored(9, "c", 1) });
        assert_eq!(judge(&committed, &seen), [Violation::NeverCommitted(stored(9, "c", 1))]);
    }

    #[test]
    fn the_judge_finds_what_came_in_the_wrong_order() {
        let (committed, mut seen) = right();
        seen[2].position = 6;
        assert_eq!(judge(&committed, &seen), [Violation::Backwards { before: 6, then: seen[2].clone() }]);

        let (_, mut seen) = right();
        seen.swap(0, 1);
        (seen[0].position, seen[1].position) = (4, 6);
        assert!(matches!(judge(&committed, &seen)[0], Violation::StreamTorn { expected: 1, .. }));

        let gap = judge_streams(&[stored(1, "a", 1), stored(3, "a", 3)]);
        assert_eq!(gap, [Violation::Versions { stream: "a".to_owned(), versions: vec![1, 3] }]);
        assert_eq!(judge_streams(&[stored(1, "a", 1), stored(2, "a", 1)]).len(), 1);
    }
}
