//! From a request's elements to the parameters of the Query call that says the same.
//!
//! An element's parameter has its name with a capital; elements below one follow after a dot; a list loses its `Set` and gets an
//! index, and when its items hold one element only that element's name is the list's. What the table says with `->` goes before. Elements that
//! the version does not have are read by the same rules, so that a tool of a version in between is understood; what no action
//! takes is refused by the parameter's name, as in Query.
use super::schema::{Field, Kind, Operation, Schema};
use crate::{Fault, Outcome};
use std::collections::BTreeMap;
use stratus_sigs::soap::{Document, Node};

const INSTANCE: &str = "http://www.w3.org/2001/XMLSchema-instance";
/// The most parameters of a call.
const MOST: usize = 20_000;

/// The parameters of a request.
pub fn of(schema: &Schema, operation: &Operation, document: &Document, asked: Node) -> Outcome<Vec<(String, String)>> {
    let mut reading = Reading { schema, document, namespace: document.namespace(asked), found: BTreeMap::new() };
    reading.fields(asked, Some(&operation.request), &Place::default())?;
    Ok(reading.found.into_iter().collect())
}

/// Where in the request an element stands.
#[derive(Default, Clone)]
struct Place {
    /// What its parameter begins with.
    prefix: String,
    /// The indexes of the lists around it.
    indexes: Vec<usize>,
}

impl Place {
    fn below(&self, name: &str) -> Self {
        Self { prefix: format!("{}{}.", self.prefix, capital(name)), indexes: self.indexes.clone() }
    }
}

struct Reading<'r> {
    schema: &'r Schema,
    document: &'r Document,
    namespace: &'r str,
    found: BTreeMap<String, String>,
}

impl Reading<'_> {
    fn fields(&mut self, node: Node, known: Option<&[Field]>, place: &Place) -> Outcome<()> {
        let mut seen = Vec::new();
        for child in self.children(node)? {
            let name = self.document.name(child).to_owned();
            if seen.contains(&name) {
                return Err(Fault::invalid(&format!("{}{}", place.prefix, capital(&name)), "the element stands twice"));
            }
            let field = known.and_then(|k| k.iter().find(|f| f.name == name && !f.attribute));
            self.element(child, &name, field, place)?;
            seen.push(name);
        }
        Ok(())
    }

    /// The elements below one, but for those that say they are nil.
    fn children(&self, node: Node) -> Outcome<Vec<Node>> {
        let there = |child: &Node| !matches!(self.document.attribute(*child, INSTANCE, "nil"), Some("true" | "1"));
        let children: Vec<Node> = self.document.children(node).filter(there).collect();
        match children.iter().find(|c| ![self.namespace, ""].contains(&self.document.namespace(**c))) {
            Some(stranger) => Err(Fault::new("UnknownParameter", format!("{} is in another namespace", self.document.name(*stranger)))),
            None => Ok(children),
        }
    }

    fn element(&mut self, node: Node, name: &str, field: Option<&Field>, place: &Place) -> Outcome<()> {
        if let Some((parameter, value)) = field.and_then(|f| f.query.as_deref()).and_then(|q| q.split_once('=')) {
            return self.take(parameter.to_owned(), value.to_owned());
        }
        let list = match field {
            Some(field) => self.schema.item(&field.kind).is_some(),
            None => self.children(node)?.iter().any(|c| self.document.name(*c) == "item"),
        };
        if list {
            return self.list(node, name, field, place);
        }
        match field.map(|f| &f.kind) {
            Some(Kind::Empty) => self.take(format!("{}{}", place.prefix, capital(name)), "true".into()),
            Some(kind @ (Kind::Named(_) | Kind::Fields(_))) => {
                let below = place.below(name);
                self.fields(node, Some(self.schema.fields(kind)), &below)
            }
            None if !self.children(node)?.is_empty() => self.fields(node, None, &place.below(name)),
            Some(Kind::Simple(_)) | None => {
                let text = self.value(node, field)?;
                // What a tool writes because its schema wants the element: nothing is said with it.
                if text.is_empty() { Ok(()) } else { self.take(parameter(field, name, place), text) }
            }
        }
    }

    fn list(&mut self, node: Node, name: &str, field: Option<&Field>, place: &Place) -> Outcome<()> {
        let item = field.and_then(|f| self.schema.item(&f.kind));
        for (index, child) in self.children(node)?.into_iter().enumerate() {
            if self.document.name(child) != "item" {
                return Err(Fault::new("UnknownParameter", format!("{} in {name}: a list holds items", self.document.name(child))));
            }
            let mut indexes = place.indexes.clone();
            indexes.push(index + 1);
            let below = self.children(child)?;
            let alone = match item {
                Some(item) => self.alone(&item.kind),
                None => below.len() == 1 && self.children(below[0])?.is_empty(),
            };
            match below[..] {
                // A list of plain values, and one of items with one value each.
                [] if alone || item.is_some_and(|i| matches!(i.kind, Kind::Simple(_))) => {
                    let value = self.value(child, None)?;
                    let plain = item.map(|i| self.schema.fields(&i.kind)).and_then(<[Field]>::first);
                    let own = plain.map_or_else(|| trimmed(name), |f| f.name.clone());
                    let place = Place { prefix: place.prefix.clone(), indexes };
                    self.take(numbered(plain, &own, &place), value)?;
                }
                [one] if alone => {
                    let own = self.document.name(one).to_owned();
                    let known = item.map(|i| self.schema.fields(&i.kind)).and_then(|f| f.iter().find(|f| f.name == own));
                    let value = self.value(one, known)?;
                    self.take(numbered(known, &own, &Place { prefix: place.prefix.clone(), indexes }), value)?;
                }
                _ => {
                    let prefix = format!("{}{}.{}.", place.prefix, capital(&trimmed(name)), index + 1);
                    let known = item.map(|i| self.schema.fields(&i.kind).to_vec());
                    self.fields(child, known.as_deref(), &Place { prefix, indexes })?;
                }
            }
        }
        Ok(())
    }

    /// Whether items hold one value only.
    fn alone(&self, kind: &Kind) -> bool {
        matches!(self.schema.fields(kind), [Field { kind: Kind::Simple(_), .. }])
    }

    fn value(&self, node: Node, field: Option<&Field>) -> Outcome<String> {
        if let Some(below) = self.document.children(node).next() {
            let name = self.document.name(node);
            return Err(Fault::invalid(name, format!("holds {} where a value is wanted", self.document.name(below))));
        }
        let text = self.document.text(node);
        Ok(match field.map(|f| &f.kind) {
            Some(Kind::Simple("string")) | None => text,
            _ => text.trim().to_owned(),
        })
    }

    fn take(&mut self, parameter: String, value: String) -> Outcome<()> {
        if self.found.len() >= MOST {
            return Err(Fault::invalid(&parameter, format!("more than {MOST} values in one message")));
        }
        if let Some(before) = self.found.insert(parameter.clone(), value.clone()) {
            return Err(Fault::combination(format!("{parameter} is said twice, as {before} and as {value}")));
        }
        Ok(())
    }
}

/// The parameter of a value.
fn parameter(field: Option<&Field>, name: &str, place: &Place) -> String {
    said(field, place).unwrap_or_else(|| format!("{}{}", place.prefix, capital(name)))
}

/// The parameter of a value in a list whose items hold one value each.
fn numbered(field: Option<&Field>, name: &str, place: &Place) -> String {
    let index = place.indexes.last().copied().unwrap_or(1);
    said(field, place).unwrap_or_else(|| format!("{}{}.{index}", place.prefix, capital(name)))
}

/// What the table says it is, with the indexes put in.
fn said(field: Option<&Field>, place: &Place) -> Option<String> {
    let mut indexes = place.indexes.iter();
    let parts = field?.query.as_deref()?.split('.').map(|part| match part {
        "N" => indexes.next().map_or_else(|| "1".to_owned(), usize::to_string),
        word => word.to_owned(),
    });
    Some(parts.collect::<Vec<_>>().join("."))
}

fn trimmed(name: &str) -> String {
    name.strip_suffix("Set").unwrap_or(name).to_owned()
}

fn capital(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// Every Query parameter that a request of this version may become, for the test that compares tables.
pub fn possible(schema: &Schema, operation: &Operation) -> Vec<String> {
    fn walk(schema: &Schema, fields: &[Field], prefix: &str, found: &mut Vec<String>) {
        for field in fields.iter().filter(|f| !f.attribute) {
            if let Some(said) = &field.query {
                found.push(said.split('=').next().unwrap_or_default().to_owned());
                continue;
            }
            let own = capital(&field.name);
            match schema.item(&field.kind) {
                Some(item) => {
                    let below = schema.fields(&item.kind);
                    match below {
                        [Field { kind: Kind::Simple(_), query, name, .. }] => {
                            found.push(query.clone().unwrap_or_else(|| format!("{prefix}{}.N", capital(name))));
                        }
                        _ => walk(schema, below, &format!("{prefix}{}.N.", capital(&trimmed(&field.name))), found),
                    }
                }
                None if matches!(field.kind, Kind::Simple(_) | Kind::Empty) => found.push(format!("{prefix}{own}")),
                None => walk(schema, schema.fields(&field.kind), &format!("{prefix}{own}."), found),
            }
        }
    }
    let mut found = Vec::new();
    walk(schema, &operation.request, "", &mut found);
    found
}

#[cfg(test)]
mod tests {
    use super::super::schema::Published;
    use super::*;

    fn read(version: Published, inner: &str) -> Outcome<Vec<(String, String)>> {
        let schema = Schema::of(version).expect("a table");
        let text = inner.replacen('>', &format!(" xmlns=\"{}{}/\" xmlns:i=\"{INSTANCE}\">", super::super::NAMESPACE, version.text()), 1);
        let document = Document::parse(text.as_bytes()).expect("well-formed");
        of(schema, &schema.operations[document.name(document.root())], &document, document.root())
    }

    fn said(version: Published, inner: &str) -> String {
        let pairs = read(version, inner).expect("understood");
        pairs.iter().map(|(n, v)| format!("{n}={v}")).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn elements_become_the_parameters_of_query() {
        let ids = "<DescribeInstances><instancesSet><item><instanceId>i-1</instanceId></item><item><instanceId>i-2</instanceId></item></instancesSet>\
            <filterSet><item><name>a</name><valueSet><item><value>x</value></item><item><value>y</value></item></valueSet></item></filterSet></DescribeInstances>";
        assert_eq!(said(Published::V2012, ids), "Filter.1.Name=a Filter.1.Value.1=x Filter.1.Value.2=y InstanceId.1=i-1 InstanceId.2=i-2");
        let run = "<RunInstances><imageId>ami-1</imageId><minCount> 1 </minCount><maxCount>2</maxCount><keyName/><groupSet><item><groupId>g</groupId></item></groupSet>\
            <userData version='1.0' encoding='base64'><data>aGk=</data></userData><placement><availabilityZone>z</availabilityZone></placement>\
            <blockDeviceMapping><item><deviceName>/dev/sdb</deviceName><ebs><volumeSize>5</volumeSize></ebs></item><item><deviceName>/dev/sdc</deviceName><noDevice/></item></blockDeviceMapping>\
            <clientToken i:nil='true'/></RunInstances>";
        let common = "BlockDeviceMapping.1.DeviceName=/dev/sdb BlockDeviceMapping.1.Ebs.VolumeSize=5 BlockDeviceMapping.2.DeviceName=/dev/sdc \
            BlockDeviceMapping.2.NoDevice=true ImageId=ami-1 MaxCount=2 MinCount=1 Placement.AvailabilityZone=z";
        assert_eq!(said(Published::V2010, run), format!("{common} SecurityGroup.1=g UserData=aGk="));
        // Old tools have the name there; an id is known by its look.
        assert_eq!(said(Published::V2012, run), format!("{common} SecurityGroup.1=g UserData=aGk="));
        let rules = "<AuthorizeSecurityGroupIngress><userId/><groupName>g</groupName><ipPermissions><item><ipProtocol>tcp</ipProtocol><fromPort>22</fromPort><toPort>22</toPort>\
            <groups><item><userId>1</userId><groupName>h</groupName></item></groups><ipRanges><item><cidrIp>10.0.0.0/8</cidrIp></item></ipRanges></item></ipPermissions></AuthorizeSecurityGroupIngress>";
        assert_eq!(
            said(Published::V2010, rules),
            "GroupName=g IpPermissions.1.FromPort=22 IpPermissions.1.Groups.1.GroupName=h IpPermissions.1.Groups.1.UserId=1 \
             IpPermissions.1.IpProtocol=tcp IpPermissions.1.IpRanges.1.CidrIp=10.0.0.0/8 IpPermissions.1.ToPort=22"
        );
        let attribute = "<DescribeImageAttribute><imageId>ami-1</imageId><launchPermission/></DescribeImageAttribute>";
        assert_eq!(said(Published::V2010, attribute), "Attribute=launchPermission ImageId=ami-1");
        let change = "<ModifyImageAttribute><imageId>a</imageId><launchPermission><add><item><userId>1</userId></item><item><group>all</group></item></add></launchPermission></ModifyImageAttribute>";
        assert_eq!(said(Published::V2012, change), "ImageId=a LaunchPermission.Add.1.UserId=1 LaunchPermission.Add.2.Group=all");
        // Of a later version.
        let later = "<RunInstances><imageId>a</imageId><fooSet><item><bar>1</bar></item></fooSet><baz><qux>2</qux></baz></RunInstances>";
        assert_eq!(said(Published::V2012, later), "Bar.1=1 Baz.Qux=2 ImageId=a");
    }

    #[test]
    fn what_is_ambiguous_is_refused() {
        for bad in [
            "<RunInstances><imageId>a</imageId><imageId>b</imageId></RunInstances>",
            "<RunInstances><imageId><x/></imageId></RunInstances>",
            "<RunInstances><imageId xmlns='other'>a</imageId></RunInstances>",
            "<DescribeInstances><instancesSet><instanceId>i-1</instanceId></instancesSet></DescribeInstances>",
            "<DescribeInstances><instancesSet><item><instanceId>i</instanceId><instanceId>j</instanceId></item></instancesSet></DescribeInstances>",
            "<DescribeImageAttribute><imageId>a</imageId><kernel/><ramdisk/></DescribeImageAttribute>",
        ] {
            assert!(read(Published::V2012, bad).is_err(), "{bad}");
        }
        let empty = "<DescribeInstances><instancesSet><item/></instancesSet></DescribeInstances>";
        assert_eq!(said(Published::V2012, empty), "InstanceId.1=", "an id that is none must be refused, not taken for all");
    }
}
