//! Objects between image stores and pools. A pool reads and writes the stores that its hosts see; for others (stores of objects) the
//! store's driver brings an object near before a pool needs it and takes it away to where it rests afterwards.
use crate::template_fetch::DOWNLOADED;
use crate::vm_start::from_driver;
use crate::{Call, Engine};
use stratus_drivers::{DiskRef, DriverError, PrimaryStorage};
use stratus_model::Result;
use stratus_store::{ImageStore, Query, Template, TemplateStore};

impl Engine {
    /// Makes a disk from an object on a store; when the pool does not find it there, it is brought near and asked for once more.
    pub(crate) async fn disk_from_store(
        &self,
        driver: &dyn PrimaryStorage,
        disk: &DiskRef,
        store: i64,
        object: &str,
    ) -> std::result::Result<(), DriverError> {
        let failed = |e: stratus_model::Error| DriverError::Failed(e.to_string());
        let store = self.db.must::<ImageStore>(store).await.map_err(failed)?;
        match driver.create_from_snapshot(disk, object, &store.uuid).await {
            Err(DriverError::Missing(what)) => {
                let Ok(of) = self.image_driver(&store).await else { return Err(DriverError::Missing(what)) };
                of.stage(&store.uuid, object).await?;
                driver.create_from_snapshot(disk, object, &store.uuid).await
            }
            made => made,
        }
    }

    /// Brings a template near to a zone's pools; false when no store has it.
    pub(crate) async fn template_stage(&self, template: &Template, zone: i64) -> std::result::Result<bool, DriverError> {
        let failed = |e: stratus_model::Error| DriverError::Failed(e.to_string());
        let q = Query::live().eq("template_id", template.id).eq("zone_id", zone).eq("state", DOWNLOADED);
        let Some(at) = self.db.find_one::<TemplateStore>(q).await.map_err(failed)? else { return Ok(false) };
        let (driver, store) = self.store_driver(at.store_id).await.map_err(failed)?;
        driver.stage(&store.uuid, &template.uuid).await.map(|()| true)
    }
}

impl Call {
    /// Takes what a pool put on a store to where it rests.
    pub(crate) async fn settle_on_store(&self, store: &ImageStore, object: &str) -> Result<()> {
        self.image_driver(store).await?.settle(&store.uuid, object).await.map_err(from_driver)
    }
}
