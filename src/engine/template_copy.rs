//! Templates in more places than one: copied to another zone (TPL-06), and brought to pools before the first VM needs them (TPL-11).
use crate::template::TemplateInZone;
use crate::template_fetch::{DOWNLOADED, waiting};
use crate::vm_start::from_driver;
use crate::{Call, Engine};
use std::sync::Arc;
use stratus_drivers::{DriverError, TemplateFacts};
use stratus_model::{Error, Result};
use stratus_store::{Cluster, Query, StoragePool, Template, TemplatePool, TemplateStore, Zone};

impl Engine {
    /// Brings an ISO or template to another zone: from a store that has it, else once more from its URL.
    pub async fn template_copy(&self, call: &Call, template: &Template, from: Option<&Zone>, to: &Zone) -> Result<TemplateInZone> {
        if from.is_some_and(|f| f.id == to.id) {
            return Err(Error::invalid("destzoneid", "must not be the zone that it comes from"));
        }
        if let Some(from) = from {
            self.template_usable(call, template, from.id).await?;
        }
        call.zone_for(to, &self.db.must(template.account_id).await?).await?;
        let there = Query::live().eq("template_id", template.id).eq("zone_id", to.id);
        let at = match self.db.find_one::<TemplateStore>(there).await? {
            Some(at) if at.state == DOWNLOADED => return Ok(TemplateInZone { template: template.clone(), at }),
            Some(at) => at,
            None => self.copy_row(call, template, to).await?,
        };
        match self.copy_bytes(call, template, from, &at).await {
            Ok(facts) => self.arrived(call, &at, template, facts).await?,
            Err(DriverError::Unsupported(_)) if template.url.is_some() => self.template_fetch(call, at.id).await?,
            Err(e) => {
                self.copy_failed(at.id, &e).await?;
                return Err(from_driver(e));
            }
        }
        Ok(TemplateInZone { template: self.db.must(template.id).await?, at: self.db.must(at.id).await? })
    }

    async fn copy_row(&self, call: &Call, template: &Template, to: &Zone) -> Result<TemplateStore> {
        let store = self.stores_for(Some(to)).await?.first().map_or(0, |s| s.1);
        let mut at = waiting(template.id, store, to.id, call.now());
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    tx.insert(&mut at).await?;
                    Ok(at)
                })
            })
            .await
    }

    /// From store to store, where one driver serves both. `Unsupported`: there is no such way.
    async fn copy_bytes(
        &self,
        call: &Call,
        template: &Template,
        from: Option<&Zone>,
        at: &TemplateStore,
    ) -> std::result::Result<TemplateFacts, DriverError> {
        let failed = |e: Error| DriverError::Failed(e.to_string());
        let no_way = || DriverError::Unsupported(format!("{} is on no store from which it can be copied", template.name));
        let q = Query::live().eq("template_id", template.id).eq("state", DOWNLOADED).ne("id", at.id).eq_opt("zone_id", from.map(|z| z.id));
        let source = call.db.find_one::<TemplateStore>(q).await.map_err(failed)?.ok_or_else(no_way)?;
        let (driver, here) = self.store_driver(source.store_id).await.map_err(failed)?;
        let (other, there) = self.store_driver(at.store_id).await.map_err(failed)?;
        if !Arc::ptr_eq(&driver, &other) {
            return Err(no_way());
        }
        driver.copy(&here.uuid, &template.uuid, &there.uuid).await
    }

    /// A copy that did not come leaves no row behind.
    async fn copy_failed(&self, at: i64, e: &DriverError) -> Result<()> {
        tracing::warn!(row = at, error = %stratus_model::in_full(e), "a template was not copied");
        let now = self.clock.now();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let q = Query::live().eq("id", at).ne("state", DOWNLOADED);
                    tx.update::<TemplateStore>(q, vec![("removed", now.into())]).await.map(drop)
                })
            })
            .await
    }

    /// Brings a template to every pool of a zone that could need it, and answers with how it stands there.
    pub async fn template_preload(&self, call: &Call, template: &Template, zone: &Zone) -> Result<TemplateInZone> {
        if template.is_iso {
            return Err(Error::invalid("templateid", "an ISO is read where it is; templates are brought to pools"));
        }
        self.template_usable(call, template, zone.id).await?;
        let pools = self.db.find::<StoragePool>(Query::live().eq("zone_id", zone.id).eq("state", "Up")).await?;
        for pool in pools {
            let hypervisor = self.pool_hypervisor(&pool).await?;
            if template.hypervisor.as_deref().is_some_and(|h| !h.eq_ignore_ascii_case(&hypervisor)) {
                continue;
            }
            let Some(driver) = self.drivers.pool(&hypervisor) else { continue };
            match driver.preload(&pool.uuid, &template.uuid).await {
                // On a store that pools do not see it is brought near first.
                Err(DriverError::Missing(what)) => match self.template_stage(template, zone.id).await.map_err(from_driver)? {
                    true => driver.preload(&pool.uuid, &template.uuid).await.map_err(from_driver)?,
                    false => return Err(from_driver(DriverError::Missing(what))),
                },
                outcome => outcome.map_err(from_driver)?,
            }
            self.copy_stands(template.id, pool.id).await?;
        }
        let q = Query::live().eq("template_id", template.id).eq("zone_id", zone.id);
        let at = self.db.find_one::<TemplateStore>(q).await?.unwrap_or_default();
        Ok(TemplateInZone { template: template.clone(), at })
    }

    /// Remembers that a template was brought to a pool.
    async fn copy_stands(&self, template_id: i64, pool_id: i64) -> Result<()> {
        let created = self.clock.now();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let same = Query::all().eq("template_id", template_id).eq("pool_id", pool_id);
                    if tx.count::<TemplatePool>(same).await? == 0 {
                        tx.insert(&mut TemplatePool { template_id, pool_id, created, ..Default::default() }).await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    /// Takes a template's copies from pools, of one zone or all. What does not answer keeps its copy and its row, for the next time.
    pub(crate) async fn template_evict(&self, template: &Template, zone: Option<i64>) -> Result<()> {
        let copies = self.db.find::<TemplatePool>(Query::all().eq("template_id", template.id)).await?;
        let pools = self.db.by_ids::<StoragePool>(copies.iter().map(|c| c.pool_id)).await?;
        for copy in copies {
            let Some(pool) = pools.get(&copy.pool_id).filter(|p| zone.is_none_or(|z| z == p.zone_id)) else { continue };
            let Some(driver) = self.drivers.pool(&self.pool_hypervisor(pool).await?) else { continue };
            if let Err(e) = driver.evict(&pool.uuid, &template.uuid).await {
                tracing::warn!(pool = pool.uuid, template = template.uuid, error = %e, "a template's copy stays on its pool");
                continue;
            }
            self.db
                .write(move |tx| Box::pin(async move { tx.delete::<TemplatePool>(Query::all().eq("id", copy.id)).await.map(drop) }))
                .await?;
        }
        Ok(())
    }

    /// The same on pools of hosts with agents, which make their copies themselves when a disk needs one. `left`: the driver and pool of a
    /// disk that has just gone; else every such pool of the zone. Disks that lean on a copy keep it.
    pub(crate) async fn template_unneeded(&self, template: i64, zone: Option<i64>, left: Option<&StoragePool>) -> Result<()> {
        let on = Query::live().eq("template_id", template).eq_opt("zone_id", zone).eq("state", DOWNLOADED);
        if left.is_some() && self.db.count::<TemplateStore>(on).await? > 0 {
            return Ok(());
        }
        let pools = match left {
            Some(pool) => vec![pool.clone()],
            None => self.db.find::<StoragePool>(Query::live().eq_opt("zone_id", zone).eq("state", "Up")).await?,
        };
        let template = self.db.must::<Template>(template).await?;
        for pool in pools {
            let hypervisor = self.pool_hypervisor(&pool).await?;
            let (Some(_), Some(driver)) = (self.drivers.agents(&hypervisor), self.drivers.pool(&hypervisor)) else { continue };
            if let Err(e) = driver.evict(&pool.uuid, &template.uuid).await {
                tracing::warn!(pool = pool.uuid, template = template.uuid, error = %e, "a template's copy stays on its pool");
            }
        }
        Ok(())
    }

    /// The hypervisor that a pool is for: its own, or that of its cluster.
    async fn pool_hypervisor(&self, pool: &StoragePool) -> Result<String> {
        if let Some(own) = &pool.hypervisor {
            return Ok(own.clone());
        }
        let cluster = match pool.cluster_id {
            Some(id) => self.db.get::<Cluster>(id).await?,
            None => None,
        };
        Ok(cluster.map(|c| c.hypervisor).unwrap_or_default())
    }
}
