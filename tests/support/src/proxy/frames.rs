//! The messages in one direction of a PostgreSQL connection, told apart as their bytes pass by.
//!
//! A message is one byte for its kind, four for its length (themselves included), then the body. Only the client's
//! first message has no kind.

const KIND: usize = 1;
const LENGTH: usize = 4;

/// What the client's first message, which has none, is given as its kind.
const START_UP: u8 = 0;

/// A simple query or the execution of a prepared one.
pub(super) fn is_request(kind: u8) -> bool {
    matches!(kind, b'Q' | b'E')
}

/// The server has finished, a commit included, and awaits the next.
pub(super) fn is_ready(kind: u8) -> bool {
    kind == b'Z'
}

pub(super) struct Frames {
    header: Vec<u8>,
    body_left: usize,
}

impl Frames {
    pub(super) fn of_client() -> Self {
        Self { header: vec![START_UP], body_left: 0 }
    }

    pub(super) fn of_server() -> Self {
        Self { header: Vec::new(), body_left: 0 }
    }

    /// Counts the messages of some kind that end within `bytes`.
    pub(super) fn count(&mut self, mut bytes: &[u8], wanted: fn(u8) -> bool) -> usize {
        let mut count = 0;
        while !bytes.is_empty() {
            bytes = self.take_header(bytes);
            let body = self.body_left.min(bytes.len());
            self.body_left -= body;
            bytes = &bytes[body..];
            if self.header.len() == KIND + LENGTH && self.body_left == 0 {
                count += usize::from(wanted(self.header[0]));
                self.header.clear();
            }
        }
        count
    }

    fn take_header<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let missing = KIND + LENGTH - self.header.len();
        let (header, rest) = bytes.split_at(missing.min(bytes.len()));
        self.header.extend_from_slice(header);
        if let (1.., &[_, a, b, c, d]) = (missing, self.header.as_slice()) {
            let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
            self.body_left = length.saturating_sub(LENGTH);
        }
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONVERSATION: &[u8] = b"\0\0\0\x08\0\x03\0\0\
        P\0\0\0\x06EZ\
        E\0\0\0\x05Q\
        S\0\0\0\x04\
        Q\0\0\0\x05;";

    #[test]
    fn requests_are_found_however_the_network_splits_them() {
        for size in 1..=CONVERSATION.len() {
            let mut frames = Frames::of_client();
            let found: usize = CONVERSATION.chunks(size).map(|bytes| frames.count(bytes, is_request)).sum();
            assert_eq!(found, 2, "in pieces of {size}");
        }
    }

    #[test]
    fn a_message_counts_only_when_it_is_complete() {
        let mut frames = Frames::of_server();
        assert_eq!(frames.count(b"C\0\0\0\x05ZZ\0\0\0\x05", is_ready), 0);
        assert_eq!(frames.count(b"I", is_ready), 1);
    }
}
