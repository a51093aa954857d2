use crate::{Table, Value};

/// A condition, an order and a page over one table: the one place where SQL is put together at run time.
///
/// Column names are `&'static str` from our own code; everything that came from outside is a bound value.
#[derive(Debug, Clone, Default)]
pub struct Query {
    conditions: String,
    args: Vec<Value>,
    order: Option<&'static str>,
    descending: bool,
    limit: Option<(i64, i64)>,
    /// The other tables that it asks, by their places in memory; none for one that is not watched.
    others: Vec<Option<usize>>,
}

/// Values of an `in (…)`, the last one repeated up to a few lengths: so there are few texts of statements, and prepared ones are found
/// again.
fn padded<V: Into<Value>>(values: impl IntoIterator<Item = V>) -> Vec<Value> {
    let mut values: Vec<Value> = values.into_iter().map(Into::into).collect();
    if let Some(last) = values.last().cloned() {
        let length = if values.len() > 4 { values.len().next_power_of_two() } else { values.len() };
        values.resize(length, last);
    }
    values
}

/// `column in (?,?)`.
fn among(column: &str, word: &str, values: usize) -> String {
    let mut text = String::with_capacity(column.len() + word.len() + 4 + 2 * values);
    text.push_str(column);
    text.push_str(word);
    text.push_str(" (?");
    (1..values).for_each(|_| text.push_str(",?"));
    text.push(')');
    text
}

impl Query {
    /// Every row.
    pub fn all() -> Self {
        Self::default()
    }
    /// Rows that are not removed.
    pub fn live() -> Self {
        Self::all().null("removed")
    }
    fn and(mut self, condition: &str) -> Self {
        self.conditions.push_str(if self.conditions.is_empty() { " where " } else { " and " });
        self.conditions.push_str(condition);
        self
    }
    fn arg(mut self, v: impl Into<Value>) -> Self {
        self.args.push(v.into());
        self
    }
    /// `column = v`.
    pub fn eq(self, column: &'static str, v: impl Into<Value>) -> Self {
        self.and(&format!("{column} = ?")).arg(v)
    }
    /// `column = v` when there is a `v`.
    pub fn eq_opt<V: Into<Value>>(self, column: &'static str, v: Option<V>) -> Self {
        match v {
            Some(v) => self.eq(column, v),
            None => self,
        }
    }
    /// `column <> v`.
    pub fn ne(self, column: &'static str, v: impl Into<Value>) -> Self {
        self.and(&format!("{column} <> ?")).arg(v)
    }
    /// `column >= v`.
    pub fn at_least(self, column: &'static str, v: impl Into<Value>) -> Self {
        self.and(&format!("{column} >= ?")).arg(v)
    }
    /// `column <= v`.
    pub fn at_most(self, column: &'static str, v: impl Into<Value>) -> Self {
        self.and(&format!("{column} <= ?")).arg(v)
    }
    /// `column < v`.
    pub fn below(self, column: &'static str, v: impl Into<Value>) -> Self {
        self.and(&format!("{column} < ?")).arg(v)
    }
    /// `column > v`.
    pub fn above(self, column: &'static str, v: impl Into<Value>) -> Self {
        self.and(&format!("{column} > ?")).arg(v)
    }
    /// `column is null`.
    pub fn null(self, column: &'static str) -> Self {
        self.and(&format!("{column} is null"))
    }
    /// `column is not null`.
    pub fn not_null(self, column: &'static str) -> Self {
        self.and(&format!("{column} is not null"))
    }
    /// `column in (…)`; an empty list matches nothing.
    pub fn within<V: Into<Value>>(mut self, column: &'static str, values: impl IntoIterator<Item = V>) -> Self {
        let values = padded(values);
        if values.is_empty() {
            return self.and("1 = 0");
        }
        self = self.and(&among(column, " in", values.len()));
        self.args.extend(values);
        self
    }
    /// `column not in (…)`; an empty list excludes nothing.
    pub fn without<V: Into<Value>>(mut self, column: &'static str, values: impl IntoIterator<Item = V>) -> Self {
        let values = padded(values);
        if values.is_empty() {
            return self;
        }
        self = self.and(&among(column, " not in", values.len()));
        self.args.extend(values);
        self
    }
    /// Rows in which one of the columns holds the text (`%` and `_` in it mean themselves), without regard to case.
    pub fn holds(mut self, columns: &[&'static str], text: &str) -> Self {
        let text = text.to_lowercase().replace('!', "!!").replace('%', "!%").replace('_', "!_");
        let any: Vec<String> = columns.iter().map(|c| format!("lower({c}) like ? escape '!'")).collect();
        self = self.and(&format!("({})", any.join(" or ")));
        for _ in columns {
            self.args.push(Value::Text(format!("%{text}%")));
        }
        self
    }
    /// Rows whose `column` begins with the text, letter for letter: how a subtree of domains is found by its path.
    pub fn starts(self, column: &'static str, prefix: &str) -> Self {
        let length = prefix.chars().count() as i64;
        self.and(&format!("substr({column}, 1, ?) = ?")).arg(length).arg(prefix)
    }
    /// Rows whose `column` equals `v` or is null.
    pub fn eq_or_null(self, column: &'static str, v: impl Into<Value>) -> Self {
        self.and(&format!("({column} = ? or {column} is null)")).arg(v)
    }
    /// Any of several queries' conditions (their order and page are ignored).
    pub fn any(mut self, others: impl IntoIterator<Item = Self>) -> Self {
        let mut parts = Vec::new();
        let mut args = Vec::new();
        for q in others {
            let condition = q.conditions.strip_prefix(" where ").unwrap_or("1 = 1");
            parts.push(format!("({condition})"));
            args.extend(q.args);
            self.others.extend(q.others);
        }
        if parts.is_empty() {
            return self.and("1 = 0");
        }
        self = self.and(&format!("({})", parts.join(" or ")));
        self.args.extend(args);
        self
    }
    /// Rows for which another table has a row: `id in (select column from table where …)`.
    pub fn id_in<T: Table>(mut self, column: &'static str, other: Self) -> Self {
        self.others.push(T::SLOT);
        self.others.extend(other.others.iter().copied());
        self = self.and(&format!("id in (select {column} from {}{})", T::NAME, other.conditions));
        self.args.extend(other.args);
        self
    }
    /// Rows whose `key` column another table's matching rows name: `key in (select column from table where …)`.
    pub fn key_in<T: Table>(mut self, key: &'static str, column: &'static str, other: Self) -> Self {
        self.others.push(T::SLOT);
        self.others.extend(other.others.iter().copied());
        self = self.and(&format!("{key} in (select {column} from {}{})", T::NAME, other.conditions));
        self.args.extend(other.args);
        self
    }
    /// Rows whose `key` column none of another table's matching rows names.
    pub fn key_not_in<T: Table>(mut self, key: &'static str, column: &'static str, other: Self) -> Self {
        self.others.push(T::SLOT);
        self.others.extend(other.others.iter().copied());
        self = self.and(&format!("{key} not in (select {column} from {}{})", T::NAME, other.conditions));
        self.args.extend(other.args);
        self
    }
    /// Orders by a column, then by key.
    pub fn order(mut self, column: &'static str) -> Self {
        self.order = Some(column);
        self
    }
    /// Orders by a column, the greatest first.
    pub fn latest(mut self, column: &'static str) -> Self {
        self.order = Some(column);
        self.descending = true;
        self
    }
    /// At most `limit` rows from the `offset`-th.
    pub fn page(mut self, offset: i64, limit: i64) -> Self {
        self.limit = Some((offset, limit));
        self
    }
    /// Whether only this table decides what fits.
    pub(crate) fn is_narrow(&self) -> bool {
        self.others.is_empty()
    }
    /// The other tables that it asks.
    pub(crate) fn others(&self) -> &[Option<usize>] {
        &self.others
    }
    /// Its conditions as they stand in a statement, and their values.
    pub(crate) fn conditions(&self) -> (&str, &[Value]) {
        (&self.conditions, &self.args)
    }
    /// Whether it is in the order of the keys, and whether from the greatest on.
    pub(crate) fn by_key(&self) -> Option<bool> {
        matches!(self.order, None | Some("id")).then_some(self.descending)
    }
    /// The keys of what fits, in no order.
    pub(crate) fn keys<T: Table>(&self) -> (String, Vec<Value>) {
        (format!("select id from {}{}", T::NAME, self.conditions), self.args.clone())
    }
    fn order_text(&self) -> String {
        let direction = if self.descending { " desc" } else { "" };
        match self.order {
            Some("id") | None => format!(" order by id{direction}"),
            Some(c) => format!(" order by {c}{direction}, id{direction}"),
        }
    }
    pub(crate) fn select<T: Table>(&self) -> (String, Vec<Value>) {
        let (order, mut args) = (self.order_text(), self.args.clone());
        let sql = match self.limit {
            // A deep page: find the page's keys in the index first, then read only those rows (crates.md 1a). MySQL takes no LIMIT
            // directly inside IN, but does inside a derived table.
            Some((offset, limit)) if offset > 0 => {
                args.extend([limit.into(), offset.into()]);
                let keys = format!("select id from {}{}{order} limit ? offset ?", T::NAME, self.conditions);
                format!("{} where id in (select id from ({keys}) page){order}", T::SELECT)
            }
            Some((_, limit)) => {
                args.push(limit.into());
                [T::SELECT, &self.conditions, &order, " limit ?"].concat()
            }
            None => [T::SELECT, &self.conditions, &order].concat(),
        };
        (sql, args)
    }
    pub(crate) fn count<T: Table>(&self) -> (String, Vec<Value>) {
        (format!("select count(*) from {}{}", T::NAME, self.conditions), self.args.clone())
    }
    pub(crate) fn delete<T: Table>(&self) -> (String, Vec<Value>) {
        (format!("delete from {}{}", T::NAME, self.conditions), self.args.clone())
    }
    pub(crate) fn update<T: Table>(&self, set: &str, mut values: Vec<Value>) -> (String, Vec<Value>) {
        values.extend(self.args.iter().cloned());
        (format!("update {} set {set}{}", T::NAME, self.conditions), values)
    }
}
