//! Lists that are read a native page at a time: by pages as they are asked for, and whole without losing what belongs together.
use crate::cloud::Cloud;
use crate::fake::vm;
use stratus_store::Vm;

/// Twelve instances of two launches, one of either in turn.
async fn twelve(cloud: &Cloud) -> Vec<String> {
    let ids: Vec<String> = (0..12).map(|n| format!("6f1b0c2e-8d3a-4b57-9e21-0000000000{n:02}")).collect();
    for (n, uuid) in ids.iter().cloned().enumerate() {
        let reservation = Some(if n % 2 == 0 { "r-0123456789abcdef0" } else { "r-0123456789abcdef1" }.to_owned());
        let launch_index = Some(n as i64 / 2);
        let mut row = Vm {
            uuid,
            name: format!("vm{n}"),
            account_id: 2,
            domain_id: 1,
            state: "Running".into(),
            reservation,
            launch_index,
            ..Default::default()
        };
        cloud.engine.db.write(move |tx| Box::pin(async move { tx.insert(&mut row).await })).await.unwrap();
    }
    let rows = ids.iter().enumerate().map(|(n, id)| vm(id, &format!("vm{n}"), "Running", &[])).collect();
    cloud.fake.lists("listVirtualMachines", "virtualmachine", rows);
    ids
}

fn questions(cloud: &Cloud) -> usize {
    std::mem::take(&mut *cloud.fake.asked.lock().unwrap()).iter().filter(|(command, _)| command == "listVirtualMachines").count()
}

#[tokio::test]
async fn a_page_asks_for_no_more_than_it_shows() {
    let cloud = Cloud::new().await;
    twelve(&cloud).await;
    let mut token: Option<String> = None;
    let mut seen = Vec::new();
    for wanted in [5, 5, 2] {
        questions(&cloud);
        let mut ask = vec![("MaxResults", "5")];
        ask.extend(token.as_deref().map(|t| ("NextToken", t)));
        let reply = cloud.ok("DescribeInstances", &ask).await;
        let names: Vec<String> = reply.body.split("<instanceId>").skip(1).map(|rest| rest.split_once('<').unwrap().0.to_owned()).collect();
        assert_eq!((names.len(), questions(&cloud)), (wanted, 1));
        seen.extend(names);
        token = reply.between("<nextToken>", "<").map(str::to_owned);
        assert_eq!(token.is_some(), seen.len() < 12, "{}", reply.body);
        if let Some(token) = &token {
            // A token is good for its own request only.
            let other = [("NextToken", token.as_str()), ("Filter.1.Name", "image-id"), ("Filter.1.Value.1", "x")];
            cloud.refuses("InvalidNextToken", "DescribeInstances", &other).await;
        }
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 12);
}

#[tokio::test]
async fn a_page_of_few_that_fit_is_filled_from_the_next_ones() {
    let cloud = Cloud::new().await;
    let ids = twelve(&cloud).await;
    cloud.set("default.page.size", "5").await;
    let shown = |id: &str| format!("i-{}", id.replace('-', "").split_at(17).0);
    // All of these begin alike, so that all but the first have digits of their own.
    let all = cloud.ok("DescribeInstances", &[]).await;
    let last = all.body.rsplit("<instanceId>").next().unwrap().split_once('<').unwrap().0.to_owned();
    assert_ne!(last, shown(&ids[11]));
    let ask = [("MaxResults", "5"), ("Filter.1.Name", "instance-id"), ("Filter.1.Value.1", last.as_str())];
    questions(&cloud);
    let reply = cloud.ok("DescribeInstances", &ask).await;
    assert_eq!((reply.body.matches("<instanceId>").count(), questions(&cloud)), (1, 3));
    assert!(!reply.has("nextToken"), "{}", reply.body);
}

#[tokio::test]
async fn a_long_list_is_read_in_pieces_and_its_reservations_stay_whole() {
    let cloud = Cloud::new().await;
    twelve(&cloud).await;
    cloud.set("default.page.size", "5").await;
    questions(&cloud);
    let reply = cloud.ok("DescribeInstances", &[]).await;
    assert_eq!(questions(&cloud), 3);
    assert_eq!((reply.body.matches("<instanceId>").count(), reply.body.matches("<reservationId>").count()), (12, 2));
    let first = reply.between("<reservationId>r-0123456789abcdef0<", "<reservationId>").unwrap_or(&reply.body);
    let order: Vec<&str> = first.split("<amiLaunchIndex>").skip(1).map(|rest| rest.split_once('<').unwrap().0).collect();
    assert_eq!(order[..6], ["0", "1", "2", "3", "4", "5"]);
    let one = cloud.ok("DescribeInstances", &[("Filter.1.Name", "reservation-id"), ("Filter.1.Value.1", "r-0123456789abcdef1")]).await;
    assert_eq!((one.body.matches("<instanceId>").count(), one.body.matches("<reservationId>").count()), (6, 1));
    // Nothing fits: the list is there and empty.
    let none = cloud.ok("DescribeInstances", &[("Filter.1.Name", "image-id"), ("Filter.1.Value.1", "ami-none")]).await;
    assert!(none.has("<reservationSet/>"), "{}", none.body);
}
