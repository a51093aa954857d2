//! Instance types of EC2 that stand for service offerings of other names. An offering's own name always works as well.
use crate::{Call, Engine, Topic};
use std::collections::HashMap;
use stratus_model::{Error, Kind, Result};
use stratus_store::{Ec2Offering, Query, ServiceOffering};

/// The names that are given, both ways.
#[derive(Debug, Clone, Default)]
pub struct OfferingNames {
    /// Instance type to the offering's uuid.
    pub offering: HashMap<String, String>,
    /// Offering's uuid to its instance type; the first in the order of the alphabet.
    pub name: HashMap<String, String>,
}

impl Engine {
    /// Makes an instance type stand for the offering with this uuid or number.
    pub async fn ec2_offering_set(&self, call: &Call, name: &str, offering: &str) -> Result<()> {
        if name.trim() != name || name.is_empty() || name.chars().count() > 255 {
            return Err(Error::invalid("amazonoffer", "must have 1 to 255 characters and not begin or end with a blank"));
        }
        let which = match offering.parse::<i64>() {
            Ok(id) => Query::live().eq("id", id),
            Err(_) => Query::live().eq("uuid", offering.to_ascii_lowercase()),
        };
        let found = self.db.find_one::<ServiceOffering>(which).await?;
        let found = found.ok_or_else(|| Error::not_found(Kind::ServiceOffering, offering))?;
        let mut row = Ec2Offering { name: name.into(), service_offering_id: found.id, created: call.now(), ..Default::default() };
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    tx.delete::<Ec2Offering>(Query::all().eq("name", row.name.as_str())).await?;
                    tx.insert(&mut row).await?;
                    call.log(tx, topic(&found), format!("the instance type {} stands for {}", row.name, found.name)).await
                })
            })
            .await
    }

    /// Lets an instance type stand for the offering of its own name again; false when it did.
    pub async fn ec2_offering_delete(&self, call: &Call, name: &str) -> Result<bool> {
        let Some(row) = self.db.find_one::<Ec2Offering>(Query::all().eq("name", name)).await? else { return Ok(false) };
        let found = self.db.must::<ServiceOffering>(row.service_offering_id).await?;
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    tx.delete::<Ec2Offering>(Query::all().eq("id", row.id)).await?;
                    call.log(tx, topic(&found), format!("the instance type {} no longer stands for {}", row.name, found.name)).await?;
                    Ok(true)
                })
            })
            .await
    }

    /// Every name that is given to an offering that is there.
    pub async fn ec2_offerings(&self) -> Result<OfferingNames> {
        let rows = self.db.find::<Ec2Offering>(Query::all()).await?;
        let mut names = OfferingNames::default();
        if rows.is_empty() {
            return Ok(names);
        }
        let offerings = self.db.by_ids::<ServiceOffering>(rows.iter().map(|r| r.service_offering_id)).await?;
        for row in rows {
            let Some(offering) = offerings.get(&row.service_offering_id).filter(|o| o.removed.is_none()) else { continue };
            let first = names.name.entry(offering.uuid.clone()).or_insert_with(|| row.name.clone());
            if row.name < *first {
                first.clone_from(&row.name);
            }
            names.offering.insert(row.name, offering.uuid.clone());
        }
        Ok(names)
    }
}

fn topic(offering: &ServiceOffering) -> Topic {
    Topic { account: 1, domain: 1, kind: Kind::ServiceOffering, id: offering.id }
}
