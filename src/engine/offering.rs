//! What disk and service offerings have in common: changed and hidden in the same way.
use crate::{Call, Topic};
use stratus_model::{Error, Kind, Result};
use stratus_store::{DiskOffering, ServiceOffering, Table, Value};

/// An offering's row.
pub(crate) trait Offering: Table + Clone {
    /// What it is.
    const KIND: Kind;
    /// The same at the beginning of a sentence.
    const NOUN: &'static str;
    /// Name and uuid.
    fn named(&self) -> (&str, &str);
}

impl Offering for DiskOffering {
    const KIND: Kind = Kind::DiskOffering;
    const NOUN: &'static str = "Disk offering";
    fn named(&self) -> (&str, &str) {
        (&self.name, &self.uuid)
    }
}
impl Offering for ServiceOffering {
    const KIND: Kind = Kind::ServiceOffering;
    const NOUN: &'static str = "Service offering";
    fn named(&self) -> (&str, &str) {
        (&self.name, &self.uuid)
    }
}

/// Sets columns of an offering.
pub(crate) async fn change<T: Offering>(call: &Call, id: i64, set: Vec<(&'static str, Value)>) -> Result<T> {
    let call = call.clone();
    let work = call.clone();
    call.db
        .write(move |tx| {
            Box::pin(async move {
                if !set.is_empty() {
                    tx.set::<T>(id, set).await?;
                }
                let row = tx.must::<T>(id).await?;
                let (name, uuid) = row.named();
                let text = format!("{} {name} changed, id={uuid}", T::NOUN);
                work.log(tx, Topic::of_caller(&work, T::KIND, id), text).await?;
                Ok(row)
            })
        })
        .await
}

/// Hides an offering; what has it keeps it.
pub(crate) async fn hide<T: Offering>(call: &Call, row: T) -> Result<()> {
    let call = call.clone();
    let work = call.clone();
    call.db
        .write(move |tx| {
            Box::pin(async move {
                let (name, uuid) = row.named();
                if !tx.remove::<T>(row.id(), work.now()).await? {
                    return Err(Error::not_found(T::KIND, uuid));
                }
                let text = format!("{} {name} deleted, id={uuid}", T::NOUN);
                work.log(tx, Topic::of_caller(&work, T::KIND, row.id()), text).await
            })
        })
        .await
}
