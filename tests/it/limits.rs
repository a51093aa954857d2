//! Limits under load and counters that were wrong, on both databases: who hit what, and that a recount finds and repairs.
use super::cloud::{TestCloud, on_both};
use futures::future::join_all;
use std::collections::BTreeSet;
use stratus_store::{Query, ResourceCount, Vm};

on_both! {
    parallel_deploys_of_two_accounts_do_not_pass_their_domains_limit in stratus::simulate::BUILT_IN;
    counters_that_drifted_are_found_and_repaired in stratus::simulate::BUILT_IN;
}

impl TestCloud {
    /// Every counter of an account or domain, in the order of the resources.
    async fn counters(&self, kind: &str, id: i64) -> Vec<i64> {
        let rows = Query::all().eq("owner_kind", kind).eq("owner_id", id).order("resource");
        self.engine.db.find::<ResourceCount>(rows).await.unwrap().iter().map(|r| r.used).collect()
    }
}

async fn parallel_deploys_of_two_accounts_do_not_pass_their_domains_limit(c: TestCloud) {
    let sales = c.ask("createDomain", &[("name", "sales")]).await["domain"]["id"].as_str().unwrap().to_owned();
    let (ann, bob) = (c.user_in("ann", &sales).await, c.user_in("bob", &sales).await);
    c.ask("updateResourceLimit", &[("resourcetype", "0"), ("max", "7"), ("domainid", &sales)]).await;
    c.ask("updateResourceLimit", &[("resourcetype", "0"), ("max", "2"), ("domainid", &sales), ("account", "bob")]).await;
    let outcomes = join_all((0..50).map(|i| c.try_deploy(if i % 2 == 0 { &ann } else { &bob }, &[]))).await;
    let made = outcomes.iter().filter(|o| o.is_ok()).count();
    assert_eq!(made, 7);
    let mut hit = BTreeSet::new();
    for e in outcomes.into_iter().filter_map(Result::err) {
        assert_eq!(e.codes().api, 535, "{e}");
        let text = e.to_string();
        let who = text.split_once(" for ").and_then(|(_, rest)| rest.split_once(" has been exceeded")).map(|(who, _)| who.to_owned());
        hit.insert(who.unwrap_or(text));
    }
    let known = ["account bob", "domain /sales/"].map(str::to_owned);
    assert!(hit.contains("domain /sales/") && hit.is_subset(&known.into()), "each says whose limit it met: {hit:?}");
    let mine = Query::live().within("account_id", [ann.account_id, bob.account_id]);
    assert_eq!(c.engine.db.count::<Vm>(mine).await.unwrap(), 7);
    assert!(c.counters("account", bob.account_id).await[0] <= 2);
    c.settled("50 deploys of two accounts against a domain's limit of 7").await;
}

async fn counters_that_drifted_are_found_and_repaired(c: TestCloud) {
    let sales = c.ask("createDomain", &[("name", "sales")]).await["domain"].clone();
    let sales = sales["id"].as_str().unwrap();
    let ann = c.user_in("ann", sales).await;
    let disk = c.first("listDiskOfferings", "diskoffering", &[("name", "Small")]).await;
    let vm = c.try_deploy(&ann, &[("diskofferingid", &disk)]).await.unwrap()["virtualmachine"]["id"].as_str().unwrap().to_owned();
    let root = c.first("listVolumes", "volume", &[("virtualmachineid", &vm), ("type", "ROOT"), ("listall", "true")]).await;
    c.try_as(&ann, "createSnapshot", &[("volumeid", &root)]).await.unwrap();
    let (account, domain) = (c.counters("account", ann.account_id).await, c.counters("domain", ann.domain_id).await);
    assert_eq!((account[0], account[2], account[3]), (1, 2, 1), "VMs, volumes and snapshots");
    assert_eq!(account, domain, "one account in it");
    c.settled("before").await;

    let drift = "update resource_count set used = used + 3 where (owner_kind = 'account' and owner_id = ?) or (owner_kind = 'domain' and owner_id = ?)";
    let args = vec![ann.account_id.into(), ann.domain_id.into()];
    c.engine.db.write(move |tx| Box::pin(async move { tx.execute(drift, args.clone()).await })).await.unwrap();
    let found = c.engine.check().await.unwrap();
    assert!(found.len() >= 2, "the checker sees it: {found:?}");

    let one = [("domainid", sales), ("account", "ann"), ("resourcetype", "0")];
    let counted = c.ask("updateResourceCount", &one).await;
    assert_eq!((&counted["count"], &counted["resourcecount"][0]["resourcecount"]), (&1.into(), &1.into()), "{counted}");
    assert_eq!(c.counters("account", ann.account_id).await[1], account[1] + 3, "only what was asked for");
    let all = c.ask("updateResourceCount", &[("domainid", sales), ("account", "ann")]).await;
    assert_eq!(all["count"], 12, "{all}");
    assert_eq!(c.counters("account", ann.account_id).await, account);
    c.ask("updateResourceCount", &[("domainid", sales)]).await;
    assert_eq!(c.counters("domain", ann.domain_id).await, domain);
    c.settled("repaired").await;
}
