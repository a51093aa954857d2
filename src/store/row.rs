use crate::dialect;
use rusqlite::types::ValueRef;
use sqlx::mysql::MySqlRow;
use stratus_model::{Error, Result};

/// A value on its way into a statement.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
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
pub enum Row<'r> {
    #[doc(hidden)]
    Lite(&'r rusqlite::Row<'r>),
    #[doc(hidden)]
    Kept(Vec<Value>),
    #[doc(hidden)]
    My(MySqlRow),
}

/// A type that a column can be read as.
pub trait FromCol: Sized {
    /// Reads column `i`.
    fn from_col(row: &Row, i: usize) -> Result<Self>;
}

fn wrong(i: usize, what: &str) -> Error {
    Error::internal(format!("column {i} of a row is not {what}"))
}

impl FromCol for Option<i64> {
    fn from_col(row: &Row, i: usize) -> Result<Self> {
        match row {
            Row::Lite(r) => match r.get_ref(i).map_err(crate::lite::error)? {
                ValueRef::Integer(n) => Ok(Some(n)),
                ValueRef::Null => Ok(None),
                _ => Err(wrong(i, "a number")),
            },
            Row::Kept(values) => match values.get(i) {
                Some(Value::Int(n)) => Ok(Some(*n)),
                Some(Value::Null) => Ok(None),
                _ => Err(wrong(i, "a number")),
            },
            Row::My(r) => sqlx::Row::try_get(r, i).map_err(dialect::error),
        }
    }
}

impl FromCol for Option<String> {
    fn from_col(row: &Row, i: usize) -> Result<Self> {
        match row {
            Row::Lite(r) => match r.get_ref(i).map_err(crate::lite::error)? {
                ValueRef::Text(t) => std::str::from_utf8(t).map(|t| Some(t.to_owned())).map_err(Error::internal),
                ValueRef::Null => Ok(None),
                _ => Err(wrong(i, "a text")),
            },
            Row::Kept(values) => match values.get(i) {
                Some(Value::Text(t)) => Ok(Some(t.clone())),
                Some(Value::Null) => Ok(None),
                _ => Err(wrong(i, "a text")),
            },
            Row::My(r) => sqlx::Row::try_get(r, i).map_err(dialect::error),
        }
    }
}

impl FromCol for i64 {
    fn from_col(row: &Row, i: usize) -> Result<Self> {
        Option::<Self>::from_col(row, i)?.ok_or_else(|| wrong(i, "there"))
    }
}
impl FromCol for String {
    fn from_col(row: &Row, i: usize) -> Result<Self> {
        Option::<Self>::from_col(row, i)?.ok_or_else(|| wrong(i, "there"))
    }
}
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

impl Row<'_> {
    /// Column `i`, counted from 0.
    pub fn get<T: FromCol>(&self, i: usize) -> Result<T> {
        T::from_col(self, i)
    }
}
