//! Values on their way into a statement and out of a row, without a copy where there need be none.

use es_core::{CausationId, CorrelationId, EventId, Metadata, Position, Timestamp, Version};
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgHasArrayType, PgRow, PgTypeInfo, PgValueRef};
use sqlx::{Encode, Postgres, Row, Type, ValueRef};
use uuid::Uuid;

/// The types of PostgreSQL's catalogue keep their numbers for ever.
const JSON: Oid = Oid(114);
const JSON_ARRAY: Oid = Oid(199);
const TIMESTAMPTZ: Oid = Oid(1184);

/// From 1970, where Rust's clock starts, to 2000, where PostgreSQL's does.
const MICROS_FROM_1970_TO_2000: i64 = 946_684_800_000_000;

/// JSON as text, which goes to the server as it is. (sqlx's own type wants a value to serialize, and sends `jsonb`.)
#[derive(Clone, Copy)]
pub(crate) struct Json<'a>(pub(crate) &'a str);

impl Type<Postgres> for Json<'_> {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(JSON)
    }
}

impl PgHasArrayType for Json<'_> {
    fn array_type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(JSON_ARRAY)
    }
}

impl Encode<'_, Postgres> for Json<'_> {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        buffer.extend_from_slice(self.0.as_bytes());
        Ok(IsNull::No)
    }

    fn size_hint(&self) -> usize {
        self.0.len()
    }
}

/// A time on its way into a statement. (sqlx knows the types of other crates only.)
#[derive(Clone, Copy, Debug)]
pub(crate) struct Time(pub(crate) Timestamp);

impl Type<Postgres> for Time {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(TIMESTAMPTZ)
    }
}

impl Encode<'_, Postgres> for Time {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        buffer.extend_from_slice(&micros(self.0).to_be_bytes());
        Ok(IsNull::No)
    }
}

/// A time as the database counts it.
pub(crate) fn micros(time: Timestamp) -> i64 {
    time.as_micros().saturating_sub(MICROS_FROM_1970_TO_2000)
}

/// The columns of a row by number, read from the row's own bytes. All statements of this crate are prepared, so all values
/// come in the binary format.
pub(crate) trait Column {
    fn text(&self, column: usize) -> Result<&str, sqlx::Error>;
    fn text_or_null(&self, column: usize) -> Result<Option<&str>, sqlx::Error>;
    fn count(&self, column: usize) -> Result<u64, sqlx::Error>;
    fn int(&self, column: usize) -> Result<u32, sqlx::Error>;
    fn uuid(&self, column: usize) -> Result<Option<Uuid>, sqlx::Error>;
    fn timestamp(&self, column: usize) -> Result<Timestamp, sqlx::Error>;

    fn version(&self, column: usize) -> Result<Version, sqlx::Error> {
        self.count(column).map(Version)
    }

    fn position(&self, column: usize) -> Result<Position, sqlx::Error> {
        self.count(column).map(Position)
    }

    fn event_id(&self, column: usize) -> Result<EventId, sqlx::Error> {
        self.uuid(column)?.map(EventId).ok_or_else(|| undecodable(column, "null where an event id should be"))
    }

    /// From the columns of correlation, causation and the rest, which follow each other.
    fn metadata(&self, column: usize) -> Result<Metadata, sqlx::Error> {
        let mut metadata = match self.text_or_null(column + 2)? {
            Some(json) => serde_json::from_str(json).map_err(|error| undecodable(column + 2, error))?,
            None => Metadata::default(),
        };
        metadata.correlation_id = self.uuid(column)?.map(CorrelationId);
        metadata.causation_id = self.uuid(column + 1)?.map(CausationId);
        Ok(metadata)
    }
}

impl Column for PgRow {
    fn text(&self, column: usize) -> Result<&str, sqlx::Error> {
        self.try_get_raw(column)?.as_str().map_err(|error| undecodable(column, error))
    }

    fn text_or_null(&self, column: usize) -> Result<Option<&str>, sqlx::Error> {
        let value = self.try_get_raw(column)?;
        if value.is_null() {
            return Ok(None);
        }
        value.as_str().map(Some).map_err(|error| undecodable(column, error))
    }

    fn count(&self, column: usize) -> Result<u64, sqlx::Error> {
        let value = i64::from_be_bytes(bytes(self.try_get_raw(column)?, column)?);
        u64::try_from(value).map_err(|error| undecodable(column, error))
    }

    fn int(&self, column: usize) -> Result<u32, sqlx::Error> {
        let value = i32::from_be_bytes(bytes(self.try_get_raw(column)?, column)?);
        u32::try_from(value).map_err(|error| undecodable(column, error))
    }

    fn uuid(&self, column: usize) -> Result<Option<Uuid>, sqlx::Error> {
        let value = self.try_get_raw(column)?;
        if value.is_null() {
            return Ok(None);
        }
        bytes(value, column).map(Uuid::from_bytes).map(Some)
    }

    fn timestamp(&self, column: usize) -> Result<Timestamp, sqlx::Error> {
        let micros = i64::from_be_bytes(bytes(self.try_get_raw(column)?, column)?);
        Ok(Timestamp::from_micros(micros.saturating_add(MICROS_FROM_1970_TO_2000)))
    }
}

fn bytes<const N: usize>(value: PgValueRef<'_>, column: usize) -> Result<[u8; N], sqlx::Error> {
    let bytes = value.as_bytes().map_err(|error| undecodable(column, error))?;
    bytes.try_into().map_err(|error: std::array::TryFromSliceError| undecodable(column, error))
}

fn undecodable(column: usize, source: impl Into<BoxDynError>) -> sqlx::Error {
    sqlx::Error::ColumnDecode { index: column.to_string(), source: source.into() }
}
