//! Exclusive canonical XML without comments (W3C, exc-c14n 1.0) of one element and what is below it.
use super::xml::{Child, Document, Node};
use std::collections::BTreeMap;

/// What is written of an element: its canonical form, with the prefixes of `inclusive` treated as plain canonical XML does
/// (an empty one stands for the default namespace).
pub(crate) fn canonical(document: &Document, node: Node, inclusive: &[&str]) -> Vec<u8> {
    let mut writing = Writing { document, inclusive, out: String::new() };
    writing.element(node, &BTreeMap::new());
    writing.out.into_bytes()
}

struct Writing<'a> {
    document: &'a Document,
    inclusive: &'a [&'a str],
    out: String,
}

impl Writing<'_> {
    /// `written` is what the elements around have declared in the output.
    fn element(&mut self, node: Node, written: &BTreeMap<String, String>) {
        let element = self.document.get(node);
        let name = qualified(&element.prefix, &element.local);
        self.out.push('<');
        self.out.push_str(&name);
        let fresh = self.fresh(node, written);
        for (prefix, uri) in &fresh {
            self.out.push_str(if prefix.is_empty() { " xmlns" } else { " xmlns:" });
            self.out.push_str(prefix);
            self.value(uri);
        }
        let mut attributes: Vec<_> = element.attributes.iter().collect();
        attributes.sort_by_key(|a| (a.namespace.as_deref().unwrap_or_default(), a.local.as_str()));
        for attribute in attributes {
            self.out.push(' ');
            self.out.push_str(&qualified(&attribute.prefix, &attribute.local));
            self.value(&attribute.value);
        }
        self.out.push('>');
        let below = match fresh.is_empty() {
            true => None,
            false => Some(written.iter().chain(&fresh).map(|(p, u)| (p.clone(), u.clone())).collect()),
        };
        for child in &element.children {
            match child {
                Child::Element(child) => self.element(*child, below.as_ref().unwrap_or(written)),
                Child::Text(text) => self.text(text),
            }
        }
        self.out.push_str("</");
        self.out.push_str(&name);
        self.out.push('>');
    }

    /// The declarations that this element needs and the output around it does not have.
    fn fresh(&self, node: Node, written: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let element = self.document.get(node);
        let used = element.attributes.iter().map(|a| a.prefix.as_str()).filter(|p| !p.is_empty());
        let used = used.chain([element.prefix.as_str()]).chain(self.inclusive.iter().copied());
        let mut fresh = BTreeMap::new();
        for prefix in used.filter(|p| *p != "xml") {
            let uri = self.document.in_scope(node, prefix);
            let known = written.get(prefix).map(String::as_str);
            match uri {
                // Undoing a default that nobody declared is left out; a prefix that is only listed may be out of scope.
                None | Some("") if known.is_none_or(str::is_empty) => {}
                None if !prefix.is_empty() => {}
                uri if uri.unwrap_or_default() == known.unwrap_or_default() => {}
                uri => drop(fresh.insert(prefix.to_owned(), uri.unwrap_or_default().to_owned())),
            }
        }
        fresh
    }

    fn value(&mut self, text: &str) {
        self.out.push_str("=\"");
        for c in text.chars() {
            match c {
                '&' => self.out.push_str("&amp;"),
                '<' => self.out.push_str("&lt;"),
                '"' => self.out.push_str("&quot;"),
                '\t' => self.out.push_str("&#x9;"),
                '\n' => self.out.push_str("&#xA;"),
                '\r' => self.out.push_str("&#xD;"),
                c => self.out.push(c),
            }
        }
        self.out.push('"');
    }

    fn text(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '&' => self.out.push_str("&amp;"),
                '<' => self.out.push_str("&lt;"),
                '>' => self.out.push_str("&gt;"),
                '\r' => self.out.push_str("&#xD;"),
                c => self.out.push(c),
            }
        }
    }
}

fn qualified(prefix: &str, local: &str) -> String {
    if prefix.is_empty() { local.to_owned() } else { format!("{prefix}:{local}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(text: &str, path: &[usize], inclusive: &[&str]) -> String {
        let document = Document::parse(text.as_bytes()).expect("well-formed");
        let node = path.iter().fold(document.root(), |node, i| document.children(node).nth(*i).expect("a child"));
        String::from_utf8(canonical(&document, node, inclusive)).expect("UTF-8")
    }

    #[test]
    fn only_namespaces_that_are_used_are_written_where_they_are_used() {
        let text = "<a:x xmlns:a='A' xmlns:b='B' xmlns='D'><b:y  z='1'   a:z=\"2\"><w/></b:y></a:x>";
        assert_eq!(form(text, &[0], &[]), "<b:y xmlns:a=\"A\" xmlns:b=\"B\" z=\"1\" a:z=\"2\"><w xmlns=\"D\"></w></b:y>");
        assert_eq!(form(text, &[0, 0], &[]), "<w xmlns=\"D\"></w>");
        assert_eq!(form(text, &[0, 0], &["a", "none"]), "<w xmlns=\"D\" xmlns:a=\"A\"></w>");
        assert_eq!(form(text, &[0], &["", "a"]), "<b:y xmlns=\"D\" xmlns:a=\"A\" xmlns:b=\"B\" z=\"1\" a:z=\"2\"><w></w></b:y>");
    }

    #[test]
    fn a_default_that_is_undone_is_written_so() {
        assert_eq!(form("<x xmlns='D'><y xmlns=''><z/></y></x>", &[], &[]), "<x xmlns=\"D\"><y xmlns=\"\"><z></z></y></x>");
        assert_eq!(form("<x xmlns='D'><y xmlns=''><z/></y></x>", &[0], &[]), "<y><z></z></y>");
        assert_eq!(
            form("<p:x xmlns:p='A'><p:y xmlns:p='B'/><p:z/></p:x>", &[], &[]),
            "<p:x xmlns:p=\"A\"><p:y xmlns:p=\"B\"></p:y><p:z></p:z></p:x>"
        );
    }

    #[test]
    fn characters_are_written_in_one_way() {
        let text = "<x b='&quot;&#9;&#xa;&#xd;&lt;>'>&gt;&#xd;&amp;<!-- no --><![CDATA[<]]>\r\n</x>";
        assert_eq!(form(text, &[], &[]), "<x b=\"&quot;&#x9;&#xA;&#xD;&lt;>\">&gt;&#xD;&amp;&lt;\n</x>");
    }
}
