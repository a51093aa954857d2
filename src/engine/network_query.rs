//! Which networks a list shows: the account's own, and those that its domain or one above it shares with everybody.
use crate::network_offering::word;
use crate::physical_network::TRAFFIC_TYPES;
use crate::{Call, Engine, ListScope, Listing, provider};
use stratus_model::{Error, Result};
use stratus_store::{Account, Domain, IpAddress, Network, NetworkOffering, OfferingService, Query, Tag};

/// Which networks a list shows.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs, reason = "each narrows by the column of its name")]
pub struct NetworkFilter {
    pub id: Option<i64>,
    pub zone_id: Option<i64>,
    pub physical_network_id: Option<i64>,
    pub guest_type: Option<String>,
    pub traffic_type: Option<String>,
    pub acl_type: Option<String>,
    pub is_system: Option<bool>,
    pub restart_required: Option<bool>,
    pub specify_ip_ranges: Option<bool>,
    /// Has a free address.
    pub can_use_for_deploy: Option<bool>,
    pub for_vpc: Option<bool>,
    /// Has all of these services.
    pub services: Vec<String>,
    /// Has one of these tags.
    pub tags: Vec<(String, String)>,
    pub keyword: Option<String>,
}

impl Engine {
    /// Lists networks that the caller may see.
    pub async fn network_list(&self, call: &Call, scope: ListScope, f: NetworkFilter, page: (i64, i64)) -> Result<Listing<Network>> {
        let system = f.is_system.unwrap_or(false);
        if system && !call.caller.is_root() {
            return Err(Error::Denied("Only root administrators list the cloud's own networks".into()));
        }
        let mut q = Query::live()
            .eq_opt("id", f.id)
            .eq_opt("zone_id", f.zone_id)
            .eq_opt("physical_network_id", f.physical_network_id)
            .eq_opt("restart_required", f.restart_required)
            .eq_opt("specify_ip_ranges", f.specify_ip_ranges);
        // One asked for by its id is found whatever it is; the scope still says whether the caller may see it.
        if f.id.is_none() || f.is_system.is_some() || !call.caller.is_root() {
            q = q.eq("is_system", system);
        }
        if let Some(t) = &f.guest_type {
            q = q.eq("guest_type", word("type", t, &["Shared", "Isolated"])?);
        }
        if let Some(t) = &f.traffic_type {
            q = q.eq("traffic_type", word("traffictype", t, TRAFFIC_TYPES)?);
        }
        if let Some(t) = &f.acl_type {
            q = q.eq("acl_type", word("acltype", t, &["Account", "Domain"])?);
        }
        if let Some(v) = f.for_vpc {
            q = q.key_in::<NetworkOffering>("offering_id", "id", Query::all().eq("for_vpc", v));
        }
        for s in &f.services {
            let of = Query::all().eq("service", provider::service("supportedservices", s)?);
            q = q.key_in::<OfferingService>("offering_id", "offering_id", of);
        }
        if !f.tags.is_empty() {
            let pairs = f.tags.iter().map(|(k, v)| Query::all().eq("tag_key", k.as_str()).eq("tag_value", v.as_str()));
            q = q.id_in::<Tag>("resource_id", Query::all().eq("resource_type", "Network").any(pairs));
        }
        if let Some(k) = &f.keyword {
            q = q.holds(&["name", "display_text"], k);
        }
        if f.can_use_for_deploy == Some(true) {
            q = q.id_in::<IpAddress>("network_id", Query::all().eq("state", "Free"));
        }
        if !system {
            q = self.network_scope(call, &scope, q).await?;
        }
        if f.can_use_for_deploy == Some(false) {
            // The few that are full: all of them are looked at.
            let all = self.db.find::<Network>(q.clone()).await?;
            let open = self.networks_with_room(all.iter().map(|n| n.id)).await?;
            q = q.without("id", open);
        }
        let count = self.db.count::<Network>(q.clone()).await?;
        Ok(Listing { rows: self.db.find(q.page(page.0, page.1)).await?, count })
    }

    async fn network_scope(&self, call: &Call, scope: &ListScope, q: Query) -> Result<Query> {
        let domain_wide = || Query::all().eq("acl_type", "Domain");
        Ok(match scope {
            ListScope::All | ListScope::Everyone | ListScope::Projects => scope.apply(q),
            ListScope::Account(_) | ListScope::Accounts(_) => {
                let domain = match scope {
                    ListScope::Account(id) => self.db.must::<Account>(*id).await?.domain_id,
                    _ => call.caller.domain_id,
                };
                let above = self.domains_above(domain).await?;
                q.any([
                    scope.apply(Query::all()).eq("acl_type", "Account"),
                    domain_wide().eq("domain_id", domain),
                    domain_wide().eq("subdomain_access", true).within("domain_id", above),
                ])
            }
            ListScope::Domains(_) | ListScope::DomainsAnd(..) => {
                let above = self.domains_above(call.caller.domain_id).await?;
                q.any([scope.apply(Query::all()), domain_wide().eq("subdomain_access", true).within("domain_id", above)])
            }
        })
    }

    /// The domains above one, by their paths.
    pub(crate) async fn domains_above(&self, id: i64) -> Result<Vec<i64>> {
        let Some(own) = self.db.get::<Domain>(id).await? else { return Ok(Vec::new()) };
        let paths: Vec<&str> = own.path.match_indices('/').map(|(i, _)| &own.path[..=i]).filter(|p| *p != own.path).collect();
        Ok(self.db.find::<Domain>(Query::live().within("path", paths)).await?.into_iter().map(|d| d.id).collect())
    }
}
