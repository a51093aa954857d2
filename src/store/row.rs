use crate::dialect;
use sqlx::mysql::MySqlRow;
use sqlx::sqlite::SqliteRow;
use stratus_model::Result;

/// A value on its way into a statement.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// No value.
    Null,
    /// A number, time or boolean.
    Int(i64),
    /// A text.
    Text(String),
}

macro_rules! from_value {
    ($($t:ty => $e:expr),* $(,)?) => { $(impl From<$t> for Value { fn from(v: $t) -> Self { let f: fn($t) -> Value = $e; f(v) } })* };
}
from_value! {
    i64 => Value::Int,
    i32 => |v| Value::Int(v.into()),
    u32 => |v| Value::Int(v.into()),
    bool => |v| Value::Int(v.into()),
    String => Value::Text,
    &String => |v| Value::Text(v.clone()),
    &str => |v| Value::Text(v.to_owned()),
}
impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(v: Option<T>) -> Self {
        v.map_or(Self::Null, Into::into)
    }
}

/// A row that came back, whichever engine it came from.
pub enum Row {
    #[doc(hidden)]
    Lite(SqliteRow),
    #[doc(hidden)]
    My(MySqlRow),
}

/// A type that a column can be read as.
pub trait FromCol: Sized {
    /// Reads column `i`.
    fn from_col(row: &Row, i: usize) -> Result<Self>;
}

macro_rules! from_col {
    ($($t:ty),*) => { $(impl FromCol for $t {
        fn from_col(row: &Row, i: usize) -> Result<Self> {
            use sqlx::Row as _;
            match row { Row::Lite(r) => r.try_get(i), Row::My(r) => r.try_get(i) }.map_err(dialect::error)
        }
    })* };
}
from_col!(i64, Option<i64>, String, Option<String>);

impl FromCol for bool {
    fn from_col(row: &Row, i: usize) -> Result<Self> {
        Ok(i64::from_col(row, i)? != 0)
    }
}
impl FromCol for Option<bool> {
    fn from_col(row: &Row, i: usize) -> Result<Self> {
        Ok(Option::<i64>::from_col(row, i)?.map(|n| n != 0))
    }
}

impl Row {
    /// Column `i`, counted from 0.
    pub fn get<T: FromCol>(&self, i: usize) -> Result<T> {
        T::from_col(self, i)
    }
}
