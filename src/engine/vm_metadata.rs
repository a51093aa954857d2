//! What a guest is told of itself beyond what its host knows: names of its offering, place and template.
use crate::Engine;
use crate::ec2_id::digits;
use std::collections::BTreeMap;
use stratus_model::Result;
use stratus_store::{Template, Vm, Zone};

impl Engine {
    /// By the names of the metadata tree. Ids are those of EC2, which differ from what `ec2_id.rs` gives only when two things share
    /// seventeen hex digits; CloudStack's own tree has the instance's name in the id's place, which hosts know.
    pub(crate) async fn vm_metadata(&self, vm: &Vm, offering: &str) -> Result<BTreeMap<String, String>> {
        let zone = self.db.must::<Zone>(vm.zone_id).await?.name;
        let template = self.db.must::<Template>(vm.template_id).await?.uuid;
        let all = [
            ("instance-id", format!("i-{}", digits(&vm.uuid))),
            ("ami-id", format!("ami-{}", digits(&template))),
            ("instance-type", offering.to_owned()),
            ("service-offering", offering.to_owned()),
            ("availability-zone", zone.clone()),
            ("placement/availability-zone", zone),
            ("vm-id", vm.uuid.clone()),
        ];
        Ok(all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }
}
