//! WSDLs, written from the table of operations. The text is ours; names, order and kinds of elements are the interface's.
use super::NAMESPACE;
use super::schema::{Field, Kind, Operation, Schema};
use quick_xml::escape::escape;
use std::fmt::Write;

/// Where the service is said to be.
pub struct Address<'a>(pub &'a str);

/// The WSDL of a version.
pub fn write(schema: &Schema, address: &Address<'_>) -> String {
    let mut out = Writing { schema, text: String::with_capacity(400_000), depth: 0 };
    let namespace = format!("{NAMESPACE}{}/", schema.version.text());
    out.line("<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
    out.line("<!-- The EC2 interface of Stratus. Generated from wsdl/operations.txt; make golden writes it anew. -->");
    let spaces = format!(
        "xmlns=\"http://schemas.xmlsoap.org/wsdl/\" xmlns:soap=\"http://schemas.xmlsoap.org/wsdl/soap/\" xmlns:tns=\"{namespace}\" \
         xmlns:xs=\"http://www.w3.org/2001/XMLSchema\" targetNamespace=\"{namespace}\""
    );
    out.open(&format!("definitions {spaces}"));
    out.open("types");
    out.open(&format!("xs:schema targetNamespace=\"{namespace}\" elementFormDefault=\"qualified\""));
    out.schema();
    out.close("xs:schema");
    out.close("types");
    for name in schema.operations.keys() {
        for (message, element) in [(format!("{name}RequestMsg"), name.clone()), (format!("{name}ResponseMsg"), format!("{name}Response"))] {
            out.open(&format!("message name=\"{message}\""));
            out.line(&format!("<part name=\"{message}\" element=\"tns:{element}\"/>"));
            out.close("message");
        }
    }
    out.open("portType name=\"AmazonEC2PortType\"");
    for name in schema.operations.keys() {
        out.open(&format!("operation name=\"{name}\""));
        out.line(&format!("<input message=\"tns:{name}RequestMsg\"/>"));
        out.line(&format!("<output message=\"tns:{name}ResponseMsg\"/>"));
        out.close("operation");
    }
    out.close("portType");
    out.open("binding name=\"AmazonEC2Binding\" type=\"tns:AmazonEC2PortType\"");
    out.line("<soap:binding style=\"document\" transport=\"http://schemas.xmlsoap.org/soap/http\"/>");
    for name in schema.operations.keys() {
        out.open(&format!("operation name=\"{name}\""));
        out.line(&format!("<soap:operation soapAction=\"{name}\"/>"));
        for side in ["input", "output"] {
            out.line(&format!("<{side}><soap:body use=\"literal\"/></{side}>"));
        }
        out.close("operation");
    }
    out.close("binding");
    out.open("service name=\"AmazonEC2\"");
    out.open("port name=\"AmazonEC2Port\" binding=\"tns:AmazonEC2Binding\"");
    out.line(&format!("<soap:address location=\"{}\"/>", escape(address.0)));
    out.close("port");
    out.close("service");
    out.close("definitions");
    out.text
}

struct Writing<'s> {
    schema: &'s Schema,
    text: String,
    depth: usize,
}

impl Writing<'_> {
    fn line(&mut self, text: &str) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.text, "{:width$}{text}", "", width = self.depth);
    }
    fn open(&mut self, tag: &str) {
        self.line(&format!("<{tag}>"));
        self.depth += 1;
    }
    fn close(&mut self, tag: &str) {
        self.depth -= 1;
        self.line(&format!("</{tag}>"));
    }

    fn schema(&mut self) {
        let schema = self.schema;
        for Operation { name, request, response } in schema.operations.values() {
            for (element, fields) in [(name.clone(), request), (format!("{name}Response"), response)] {
                self.line(&format!("<xs:element name=\"{element}\" type=\"tns:{element}Type\"/>"));
                self.complex(Some(&element), fields);
            }
        }
        // Of the types only those that this version uses stand here.
        for name in used(schema) {
            self.complex(Some(name), &schema.types[name]);
        }
    }

    fn complex(&mut self, name: Option<&str>, fields: &[Field]) {
        let name = name.map_or_else(String::new, |n| format!(" name=\"{n}Type\""));
        if fields.is_empty() {
            return self.line(&format!("<xs:complexType{name}/>"));
        }
        self.open(&format!("xs:complexType{name}"));
        self.open("xs:sequence");
        fields.iter().filter(|f| !f.attribute).for_each(|f| self.element(f));
        self.close("xs:sequence");
        for field in fields.iter().filter(|f| f.attribute) {
            self.line(&format!("<xs:attribute name=\"{}\" type=\"xs:string\" use=\"required\"/>", field.name));
        }
        self.close("xs:complexType");
    }

    fn element(&mut self, field: &Field) {
        let occurs = match (field.optional, field.many) {
            (_, true) => " minOccurs=\"0\" maxOccurs=\"unbounded\"",
            (true, false) => " minOccurs=\"0\"",
            (false, false) => "",
        };
        let name = &field.name;
        match &field.kind {
            Kind::Simple(kind) => self.line(&format!("<xs:element name=\"{name}\" type=\"xs:{kind}\"{occurs}/>")),
            Kind::Named(kind) => self.line(&format!("<xs:element name=\"{name}\" type=\"tns:{kind}Type\"{occurs}/>")),
            Kind::Empty => self.line(&format!("<xs:element name=\"{name}\"{occurs}><xs:complexType/></xs:element>")),
            Kind::Fields(below) => {
                self.open(&format!("xs:element name=\"{name}\"{occurs}"));
                self.complex(None, below);
                self.close("xs:element");
            }
        }
    }
}

/// The shared types that messages of this version lead to.
fn used(schema: &Schema) -> Vec<&str> {
    fn walk<'s>(schema: &'s Schema, fields: &'s [Field], found: &mut Vec<&'s str>) {
        for field in fields {
            match &field.kind {
                Kind::Named(name) if !found.contains(&name.as_str()) => {
                    found.push(name);
                    walk(schema, schema.fields(&field.kind), found);
                }
                Kind::Fields(below) => walk(schema, below, found),
                _ => {}
            }
        }
    }
    let mut found = Vec::new();
    schema.operations.values().flat_map(|o| [&o.request, &o.response]).for_each(|fields| walk(schema, fields, &mut found));
    found.sort_unstable();
    found
}
