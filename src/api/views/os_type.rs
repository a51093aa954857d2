//! Operating systems in answers.
use crate::prelude::*;

/// An operating system.
#[derive(View, Debug, Clone)]
pub struct OsType {
    /// the ID of the OS type
    pub id: String,
    /// the name of the OS type
    pub description: String,
    /// the ID of its family
    pub oscategoryid: Option<String>,
}

/// A family of operating systems.
#[derive(View, Debug, Clone)]
pub struct OsCategory {
    /// the ID of the family
    pub id: String,
    /// the name of the family
    pub name: String,
}

/// A page of operating systems.
pub(crate) async fn of(call: &Call, rows: Vec<store::OsType>) -> Result<Vec<OsType>> {
    let families = call.db.by_ids::<store::OsCategory>(rows.iter().map(|t| t.category_id)).await?;
    let one =
        |t: store::OsType| OsType { oscategoryid: families.get(&t.category_id).map(|c| c.uuid.clone()), id: t.uuid, description: t.name };
    Ok(rows.into_iter().map(one).collect())
}
