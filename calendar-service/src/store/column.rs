//! How values of the model stand in columns.

use chassis::fault::{Fault, Reason};
use sqlx::{
    Decode, Encode, Postgres, Type,
    encode::IsNull,
    error::BoxDynError,
    postgres::{PgArgumentBuffer, PgTypeInfo, PgValueRef},
};

use crate::model::{Instant, Role};

/// 2000-01-01, from which PostgreSQL counts microseconds.
const EPOCH: i64 = 946_684_800;

/// An [`Instant`] is a `timestamptz`.
impl Type<Postgres> for Instant {
    fn type_info() -> PgTypeInfo {
        <jiff_sqlx::Timestamp as Type<Postgres>>::type_info()
    }
}

impl Encode<'_, Postgres> for Instant {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        Encode::<Postgres>::encode((self.as_second() - EPOCH) * 1_000_000, buffer)
    }
}

impl<'r> Decode<'r, Postgres> for Instant {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        let micros: i64 = Decode::<Postgres>::decode(value)?;
        Ok(Self::from_second(micros.div_euclid(1_000_000) + EPOCH))
    }
}

/// Reads a role; the column's constraint lets no other text in.
pub(super) fn role(text: &str) -> Result<Role, Fault> {
    Role::parse(text).ok_or_else(|| corrupt("members", "role", text))
}

/// Minutes as a column holds them; 2^31 minutes are 4,000 years.
pub(super) fn to_minutes(minutes: &[u32]) -> Vec<i32> {
    minutes.iter().map(|minutes| i32::try_from(*minutes).unwrap_or(i32::MAX)).collect()
}

/// Minutes as the model has them.
pub(super) fn from_minutes(minutes: Vec<i32>) -> Vec<u32> {
    minutes.into_iter().map(|minutes| u32::try_from(minutes).unwrap_or(0)).collect()
}

/// A row that its constraints should have kept out names itself.
pub(super) fn corrupt(table: &str, column: &str, value: &str) -> Fault {
    tracing::error!(table, column, value, "a row holds what it must not");
    Fault::of(Reason::Internal)
}
