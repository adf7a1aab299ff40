//! Rows on their way into a `COPY`, in its binary format: what the driver would send as parameters, one value after the other.

use std::num::TryFromIntError;

use sqlx::PgConnection;

/// The signature, no flags, and no extension of the header.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// In place of the number of columns of a further row.
const END: i16 = -1;

/// In place of the length of a value.
const NULL: i32 = -1;

/// How many bytes are handed to the driver at once: it keeps a buffer of that size.
const CHUNK: usize = 128 << 10;

pub(crate) struct Rows {
    bytes: Vec<u8>,
    columns: i16,
}

impl Rows {
    pub(crate) fn new(columns: i16) -> Self {
        Self { bytes: HEADER.to_vec(), columns }
    }

    pub(crate) fn row(&mut self) {
        self.bytes.extend_from_slice(&self.columns.to_be_bytes());
    }

    /// The next value of the row.
    pub(crate) fn value(&mut self, value: &[u8]) -> Result<(), TryFromIntError> {
        self.bytes.extend_from_slice(&i32::try_from(value.len())?.to_be_bytes());
        self.bytes.extend_from_slice(value);
        Ok(())
    }

    pub(crate) fn value_or_null(&mut self, value: Option<&[u8]>) -> Result<(), TryFromIntError> {
        match value {
            Some(value) => self.value(value),
            None => {
                self.bytes.extend_from_slice(&NULL.to_be_bytes());
                Ok(())
            }
        }
    }

    /// Stores all rows or none, and tells how many. The statement is a `COPY … FROM STDIN (FORMAT binary)` of as many columns.
    pub(crate) async fn copy(&self, statement: &str, connection: &mut PgConnection) -> Result<u64, sqlx::Error> {
        let mut copy = connection.copy_in_raw(statement).await?;
        for chunk in self.bytes.chunks(CHUNK) {
            copy.send(chunk).await?;
        }
        copy.send(&END.to_be_bytes()[..]).await?;
        copy.finish().await
    }
}
