//! SOAP: the published WSDLs, the tables behind them, messages of real clients, and what nobody may send.
use crate::cloud::{Cloud, NOW, Reply};
use axum::body::Body;
use http::Request;
use http_body_util::BodyExt;
use serde_json::Value;
use std::path::PathBuf;
use std::sync::Arc;
use stratus_ec2::mapping::Mappings;
use stratus_ec2::mapping::answer::{Content, Element};
use stratus_ec2::soap::{Address, Published, Schema, possible, schema, wsdl};
use stratus_engine::Call;
use stratus_sigs::soap::sign::{How, Signer};
use stratus_sigs::soap::{Certificate, SoapVersion};
use stratus_store::User;
use tower::ServiceExt;

const HERE: &str = "http://localhost:7080/awsapi/services/AmazonEC2";
const MINUTE: i64 = 60_000_000;

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn golden_wsdls_are_what_the_table_says() {
    for version in Published::ALL {
        let file = repository().join("wsdl").join(format!("{}.wsdl", version.text()));
        let text = wsdl(Schema::of(version).unwrap(), &Address(HERE));
        if std::env::var_os("STRATUS_GOLDEN").is_some() {
            std::fs::write(&file, &text).unwrap();
        }
        let wanted = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(text == wanted, "{} differs; make golden writes it anew", file.display());
        assert_eq!(text.matches("<soap:operation ").count(), if version == Published::V2010 { 95 } else { 144 });
    }
}

#[test]
fn every_operation_is_mapped_or_refused_with_a_reason() {
    let mappings = Mappings::get().unwrap();
    for version in Published::ALL {
        for name in Schema::of(version).unwrap().operations.keys() {
            assert!(mappings.action(name).is_some() || mappings.unsupported(name).is_some(), "{name} of {}", version.text());
        }
    }
}

/// Query parameters that a message of a mapped operation may become are parameters of its mapping.
#[test]
fn every_element_of_a_request_is_a_parameter_that_the_mapping_knows() {
    let mappings = Mappings::get().unwrap();
    let mut strangers = Vec::new();
    for version in Published::ALL {
        let schema = Schema::of(version).unwrap();
        for operation in schema.operations.values() {
            let Some(action) = mappings.action(&operation.name) else { continue };
            for parameter in possible(schema, operation) {
                let sent = parameter.split('.').map(|p| if p == "N" { "1" } else { p }).collect::<Vec<_>>().join(".");
                let known = action.request.iter().any(|p| p.is(&sent));
                let filter = sent.starts_with("Filter.1.") && action.filters.is_some();
                let paged = action.paging.is_some() && matches!(sent.as_str(), "MaxResults" | "NextToken");
                if !known && !filter && !paged {
                    strangers.push(format!("{} {}: {parameter}", version.text(), operation.name));
                }
            }
        }
    }
    assert!(strangers.is_empty(), "the mappings do not declare, not even as ignored or refused:\n{}", strangers.join("\n"));
}

/// Elements that the schema wants, that no mapping has, and of which empty is the truth.
const EMPTY_IS_TRUE: &[&str] = &[
    // Nothing here has a product code, so no list has an item that would need a type.
    "productCodes/type",
    // What this cloud has none of: the list is always empty.
    "DescribeBundleTasks/",
    "DescribeConversionTasks/",
    "DescribeCustomerGateways/",
    "DescribeExportTasks/",
    "DescribeReservedInstances/",
    "DescribeReservedInstancesOfferings/",
    "DescribeSpotInstanceRequests/",
    "DescribeSpotPriceHistory/",
    "DescribeVpnConnections/",
    "DescribeVpnGateways/",
    "DescribeVolumeStatus/volumeStatusSet/eventsSet/",
    "DescribeVolumeStatus/volumeStatusSet/actionsSet/",
    // The parts of the one VPC have no tags.
    "DescribeDhcpOptions/dhcpOptionsSet/tagSet/value",
    "DescribeInternetGateways/internetGatewaySet/tagSet/value",
    "DescribeNetworkAcls/networkAclSet/tagSet/value",
    "DescribeNetworkInterfaces/networkInterfaceSet/tagSet/value",
    "DescribeRouteTables/routeTableSet/tagSet/value",
    "DescribeVpcs/vpcSet/tagSet/value",
];

fn lacks(schema: &Schema, fields: &[schema::Field], elements: &[Element], path: &str, found: &mut Vec<String>) {
    for field in fields.iter().filter(|f| !f.attribute) {
        let own = format!("{path}/{}", field.name);
        let element = elements.iter().find(|e| e.name == field.name);
        let Some(element) = element else {
            if !field.optional && field.name != "requestId" {
                found.push(own);
            }
            continue;
        };
        match (&element.content, schema.item(&field.kind)) {
            (Content::Set { item, .. }, Some(below)) => {
                if let Content::Fields { fields, .. } = &**item {
                    lacks(schema, schema.fields(&below.kind), fields, &own, found);
                }
            }
            (Content::Fields { fields, .. }, None) => lacks(schema, schema.fields(&field.kind), fields, &own, found),
            (Content::Leaf(_), None) if matches!(field.kind, schema::Kind::Simple(_)) => {}
            _ => found.push(format!("{own} (of another make)")),
        }
    }
}

#[test]
fn every_element_that_an_answer_must_have_comes_from_the_mapping() {
    let mappings = Mappings::get().unwrap();
    let mut found = Vec::new();
    for version in Published::ALL {
        let schema = Schema::of(version).unwrap();
        for operation in schema.operations.values() {
            let Some(action) = mappings.action(&operation.name) else { continue };
            lacks(schema, &operation.response, &action.answer, &format!("{} {}", version.text(), operation.name), &mut found);
        }
    }
    found.retain(|f| !EMPTY_IS_TRUE.iter().any(|known| f.contains(known)));
    assert!(found.is_empty(), "the schema wants, and the mapping has not:\n{}", found.join("\n"));
}

impl Cloud {
    /// The admin registers a certificate.
    async fn registers(&self, certificate: &Certificate) {
        let caller = self.admin().await;
        let user = self.engine.db.must::<User>(caller.user_id).await.unwrap();
        let call = Call::new(self.engine.clone(), Arc::new(caller), "registerUserCertificate", Some("USER.CERTIFICATE.REGISTER"));
        self.engine.user_certificate_register(&call, &user, &certificate.to_pem()).await.unwrap();
    }

    async fn posts(&self, kind: &str, message: Vec<u8>) -> Reply {
        self.send(Request::post("/awsapi").header("content-type", kind).header("host", "cloud:7080").body(Body::from(message)).unwrap())
            .await
    }

    async fn gets(&self, uri: &str) -> (u16, String) {
        let request = Request::get(uri).header("host", "cloud:7080").body(Body::empty()).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        (status, String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap())
    }
}

fn ask(version: &str, operation: &str, inner: &str) -> String {
    format!("<{operation} xmlns=\"http://ec2.amazonaws.com/doc/{version}/\">{inner}</{operation}>")
}

async fn with_signer() -> (Cloud, Signer) {
    let cloud = Cloud::new().await;
    let signer = Signer::new("admin", NOW - MINUTE, NOW + 600 * MINUTE);
    cloud.registers(&signer.certificate).await;
    (cloud, signer)
}

#[tokio::test]
async fn captured_messages_are_believed_or_refused_as_they_should_be() {
    let folder = repository().join("tests/wire");
    let index: Vec<Value> = serde_json::from_slice(&std::fs::read(folder.join("index.json")).unwrap()).unwrap();
    let cloud = Cloud::new().await;
    let pem = std::fs::read_to_string(folder.join("soap-user-cert.pem")).unwrap();
    let (mut seen, mut first) = (0, true);
    for entry in index.iter().filter(|e| e["auth"] == "soap-wsse") {
        let file = entry["file"].as_str().unwrap();
        cloud.clock.set(stratus_model::parse_date(entry["clock"].as_str().unwrap()).unwrap());
        if std::mem::take(&mut first) {
            cloud.registers(&Certificate::from_pem(&pem).unwrap()).await;
        }
        let bytes = std::fs::read(folder.join(file)).unwrap();
        let before = cloud.fake.asked.lock().unwrap().len();
        let reply = cloud.send(crate::wire::request(&bytes).unwrap()).await;
        let carried_out = cloud.fake.asked.lock().unwrap().len() > before;
        let code = reply.between("<faultcode>aws:Client.", "<").unwrap_or_default();
        let refused = ["AuthFailure", "SignatureDoesNotMatch", "RequestExpired", "IncompleteSignature"].contains(&code);
        let wanted = entry["expect"] == "accept";
        assert_eq!(!refused, wanted, "{file}: {}", reply.body);
        if wanted {
            assert!(code != "UnknownParameter" && code != "InvalidSOAPRequest", "{file}: {}", reply.body);
            // The same once more is a replay.
            let again = cloud.send(crate::wire::request(&bytes).unwrap()).await;
            assert!(again.has("aws:Client.AuthFailure") && again.has("came before"), "{file}: {}", again.body);
        } else {
            assert!(!carried_out, "{file}: refused, but something was asked of the native commands");
        }
        seen += 1;
    }
    assert_eq!(seen, 14);
}

#[tokio::test]
async fn a_message_is_answered_in_its_own_namespace_with_the_nearest_elements() {
    let (cloud, signer) = with_signer().await;
    for (version, has, lacks) in [
        ("2010-11-15", "<groupId>web</groupId>", "<groupName>"),
        ("2011-01-01", "<groupId>web</groupId>", "<groupName>"),
        ("2012-08-15", "<groupName>web</groupName>", "<encrypted>"),
        ("2013-02-01", "<groupName>web</groupName>", "<encrypted>"),
    ] {
        for soap in [SoapVersion::Soap11, SoapVersion::Soap12] {
            let how = How { version: soap, ..How::default() };
            let kind = if soap == SoapVersion::Soap11 { "text/xml; charset=utf-8" } else { "application/soap+xml" };
            cloud.clock.set(stratus_model::Clock::now(&*cloud.clock) + 1_000_000);
            let now = stratus_model::Clock::now(&*cloud.clock);
            let reply = cloud.posts(kind, signer.message(&ask(version, "DescribeInstances", "<instancesSet/>"), now, how)).await;
            assert_eq!(reply.status, 200, "{version}: {}", reply.body);
            let root = format!("<DescribeInstancesResponse xmlns=\"http://ec2.amazonaws.com/doc/{version}/\"><requestId>");
            assert!(reply.has(&root) && reply.has(has) && !reply.has(lacks), "{version}: {}", reply.body);
            assert!(reply.has(soap.namespace()), "{version}: {}", reply.body);
        }
    }
}

#[tokio::test]
async fn refusals_have_the_shape_of_their_soap() {
    let (cloud, signer) = with_signer().await;
    let message = |operation: &str, how: How| signer.message(operation, NOW, how);
    let unsupported = ask("2010-11-15", "RequestSpotInstances", "<spotPrice>1</spotPrice>");
    let reply = cloud.posts("text/xml", message(&unsupported, How::default())).await;
    assert!(reply.status == 500 && reply.has("<faultcode>aws:Client.UnsupportedOperation</faultcode>"), "{}", reply.body);
    assert!(reply.has(&format!("<detail><aws:RequestId>{}</aws:RequestId></detail>", reply.request_id)), "{}", reply.body);
    let twelve = How { version: SoapVersion::Soap12, ..How::default() };
    let unknown = ask("2012-08-15", "DescribeInstances", "<instancesSet><item><instanceId>i-00000000</instanceId></item></instancesSet>");
    let reply = cloud.posts("application/soap+xml", message(&unknown, twelve)).await;
    assert!(reply.status == 400 && reply.has("soapenv:Sender") && reply.has("aws:InvalidInstanceID.NotFound"), "{}", reply.body);
    for (operation, code) in [
        (ask("2010-11-15", "DescribeInstanceStatus", ""), "InvalidAction"),
        (ask("2012-08-15", "NoSuchThing", ""), "InvalidAction"),
        ("<DescribeInstances xmlns=\"http://example.org/\"/>".to_owned(), "NoSuchVersion"),
        (ask("2012-08-15", "DescribeInstances", "<nonsense>1</nonsense>"), "UnknownParameter"),
        (ask("2012-08-15", "RunInstances", "<imageId>ami-00000000</imageId>"), "MissingParameter"),
        (ask("2012-08-15", "StartInstances", "<instancesSet/>"), "MissingParameter"),
        (ask("2012-08-15", "DescribeInstances", "<instancesSet><item/></instancesSet>"), "InvalidParameterValue"),
    ] {
        let reply = cloud.posts("text/xml", message(&operation, How { sha256: true, ..How::default() })).await;
        assert!(reply.has(&format!("<faultcode>aws:Client.{code}</faultcode>")), "{operation}: {}", reply.body);
    }
    let other = Signer::new("admin", NOW - MINUTE, NOW + 600 * MINUTE);
    let reply = cloud.posts("text/xml", other.message(&unknown, NOW, How::default())).await;
    assert!(reply.has("aws:Client.AuthFailure"), "{}", reply.body);
}

#[tokio::test]
async fn bad_messages_are_refused_and_change_nothing() {
    let (cloud, signer) = with_signer().await;
    let good = signer.message(&ask("2012-08-15", "DescribeImages", ""), NOW, How::default());
    let text = String::from_utf8(good.clone()).unwrap();
    let mut bad: Vec<Vec<u8>> = (1..text.len()).step_by(97).map(|at| good[..at].to_vec()).collect();
    bad.push(format!("<!DOCTYPE a [<!ENTITY b 'c'>]>{text}").into_bytes());
    bad.push(text.replace("<DescribeImages", "<?x?><DescribeImages").into_bytes());
    bad.push(text.replace("</DescribeImages>", "&bomb;</DescribeImages>").into_bytes());
    bad.push(format!("<a>{}</a>", "<b>".repeat(100_000)).into_bytes());
    bad.push("<Envelope/>".into());
    bad.push(vec![b'<'; 1 << 20]);
    bad.push(vec![b' '; (1 << 20) + 1]);
    bad.push(b"\xff\xfe<\x00".to_vec());
    bad.push(Vec::new());
    for (i, message) in bad.into_iter().enumerate() {
        let start = String::from_utf8_lossy(&message[..message.len().min(60)]).into_owned();
        let reply = cloud.posts("text/xml", message).await;
        assert!(reply.status == 500 && reply.has("<faultcode>"), "{i} {start}: {} {}", reply.status, reply.body);
        assert!(!reply.has("Server."), "{i} {start}: {}", reply.body);
    }
    assert!(cloud.fake.asked.lock().unwrap().is_empty());
    assert_eq!(cloud.posts("text/xml", good).await.status, 200, "the good one was not used up by its parts");
}

#[tokio::test]
async fn a_certificate_is_good_until_it_is_deleted_or_its_user_is_disabled() {
    let (cloud, signer) = with_signer().await;
    let send = async |at: i64| {
        cloud.clock.set(NOW + at);
        cloud.posts("text/xml", signer.message(&ask("2012-08-15", "DescribeRegions", ""), NOW + at, How::default())).await.status
    };
    assert_eq!(send(1_000_000).await, 200);
    let row = cloud.engine.db.find::<stratus_store::UserCertificate>(stratus_store::Query::live()).await.unwrap().pop().unwrap();
    let call = Call::new(cloud.engine.clone(), Arc::new(cloud.admin().await), "deleteUserCertificate", Some("USER.CERTIFICATE.DELETE"));
    cloud.engine.user_certificate_delete(&call, row).await.unwrap();
    assert_eq!(send(2_000_000).await, 500);
    cloud.registers(&signer.certificate).await;
    assert_eq!(send(3_000_000).await, 200);
    assert_eq!(send(601 * MINUTE).await, 500, "the certificate has run out");
    assert!(cloud.engine.check().await.unwrap().is_empty());
}

#[tokio::test]
async fn wsdls_are_served_with_this_gateways_address() {
    let cloud = Cloud::new().await;
    let address = "<soap:address location=\"http://cloud:7080/awsapi/services/AmazonEC2\"/>";
    for (uri, version) in [
        ("/awsapi?wsdl", "2012-08-15"),
        ("/awsapi/?wsdl", "2012-08-15"),
        ("/awsapi/services/AmazonEC2?wsdl", "2012-08-15"),
        ("/awsapi/services/AmazonEC2/?WSDL&version=2010-11-15", "2010-11-15"),
        ("/awsapi/doc/2010-11-15/AmazonEC2.wsdl", "2010-11-15"),
        ("/awsapi/doc/2012-08-15/AmazonEC2.wsdl", "2012-08-15"),
    ] {
        let (status, text) = cloud.gets(uri).await;
        assert!(status == 200 && text.contains(address), "{uri}");
        assert!(text.contains(&format!("targetNamespace=\"http://ec2.amazonaws.com/doc/{version}/\"")), "{uri}");
    }
    assert_eq!(cloud.gets("/awsapi?wsdl&version=2011-01-01").await.0, 404);
    assert_eq!(cloud.gets("/awsapi/doc/x/AmazonEC2.wsdl").await.0, 404);
    let off = Cloud::off().await;
    assert_eq!(off.gets("/awsapi?wsdl").await.0, 404);
    let reply = off.posts("text/xml", b"<e/>".to_vec()).await;
    assert!(reply.status == 404 && reply.has("ServiceUnavailable</faultcode>"), "{}", reply.body);
}
