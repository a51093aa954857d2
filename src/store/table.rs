use crate::{Row, Value};
use stratus_model::Result;

/// A text that may be longer than 255 characters: the migrations give it a wider column on MySQL.
pub type Text = String;

/// A row type and the table it lives in; made by [`crate::table!`].
pub trait Table: Sized + Clone + Send + Sync + Unpin + 'static {
    /// The table.
    const NAME: &'static str;
    /// `select` and the columns and `from` and the table.
    const SELECT: &'static str;
    /// An insert of one row with a placeholder for each column but `id`.
    const INSERT: &'static str;
    /// Where it stands among the tables whose rows are kept in memory.
    #[doc(hidden)]
    const SLOT: Option<usize> = crate::memory::slot(Self::NAME);
    /// Its columns, `id` first, in the order of the fields.
    const COLUMNS: &'static [&'static str];
    /// Reads a row selected with [`Self::COLUMNS`].
    fn from_row(row: &Row) -> Result<Self>;
    /// The values of all columns but `id`.
    fn values(&self) -> Vec<Value>;
    /// The internal key.
    fn id(&self) -> i64;
    /// Sets the key that the database gave.
    fn set_id(&mut self, id: i64);
    /// Whether rows are kept when removed.
    fn keeps_removed() -> bool {
        Self::COLUMNS.contains(&"removed")
    }
}

/// What tests need to know of a table.
#[derive(Debug, Clone, Copy)]
pub struct TableInfo {
    /// The table.
    pub name: &'static str,
    /// Its columns.
    pub columns: &'static [&'static str],
}

/// Declares a row: the struct, its table and how to read and write it. `id` is added in front.
#[macro_export]
macro_rules! table {
    ($(#[$m:meta])* $name:ident in $table:literal { $( $(#[$fm:meta])* $f:ident : $t:ty ),* $(,)? }) => {
        $(#[$m])*
        #[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
        pub struct $name {
            /// The internal key; 0 before the row is inserted.
            pub id: i64,
            $( $(#[$fm])* pub $f: $t ),*
        }
        impl $crate::Table for $name {
            const NAME: &'static str = $table;
            const SELECT: &'static str = concat!("select id", $(",", stringify!($f),)* " from ", $table);
            const INSERT: &'static str =
                concat!("insert into ", $table, " (id", $(",", stringify!($f),)* ") values (null", $($crate::placeholder!($f),)* ")");
            const COLUMNS: &'static [&'static str] = &["id", $(stringify!($f)),*];
            fn from_row(row: &$crate::Row) -> stratus_model::Result<Self> {
                let mut i = 0;
                let id = row.get(0)?;
                $( i += 1; let $f = row.get(i)?; )*
                Ok(Self { id, $($f),* })
            }
            fn values(&self) -> Vec<$crate::Value> {
                vec![$( $crate::Value::from(self.$f.clone()) ),*]
            }
            fn id(&self) -> i64 { self.id }
            fn set_id(&mut self, id: i64) { self.id = id; }
        }
    };
}

/// A placeholder for a column.
#[doc(hidden)]
#[macro_export]
macro_rules! placeholder {
    ($f:ident) => {
        ",?"
    };
}

/// A SQL text. Marks it for the test that prepares every such text on both engines.
#[macro_export]
macro_rules! sql {
    ($text:literal) => {
        $text
    };
}
