//! Reading `#[command(…)]`, `#[param(…)]`, `#[view(…)]` and doc comments.
use syn::spanned::Spanned;
use syn::{Attribute, Data, DeriveInput, Error, Expr, Field, Lit, Meta, Result};

/// `key = value` and bare words of one kind of attribute, in order; an unknown key is an error of whoever reads it.
pub struct Words(Vec<(String, Option<Expr>)>);

impl Words {
    pub fn of(attrs: &[Attribute], name: &str) -> Result<Self> {
        let mut words = Vec::new();
        for a in attrs.iter().filter(|a| a.path().is_ident(name)) {
            a.parse_nested_meta(|m| {
                let key = m.path.get_ident().map(ToString::to_string).unwrap_or_default();
                let value = if m.input.peek(syn::Token![=]) { Some(m.value()?.parse::<Expr>()?) } else { None };
                words.push((key, value));
                Ok(())
            })?;
        }
        Ok(Self(words))
    }
    pub fn has(&self, key: &str) -> bool {
        self.0.iter().any(|(k, _)| k == key)
    }
    pub fn value(&self, key: &str) -> Option<&Expr> {
        self.0.iter().find(|(k, _)| k == key).and_then(|(_, v)| v.as_ref())
    }
    pub fn text(&self, key: &str) -> Result<Option<String>> {
        match self.value(key) {
            None => Ok(None),
            Some(Expr::Lit(l)) if matches!(l.lit, Lit::Str(_)) => match &l.lit {
                Lit::Str(s) => Ok(Some(s.value())),
                _ => Ok(None),
            },
            Some(other) => Err(Error::new(other.span(), "a text is expected here")),
        }
    }
    pub fn only(&self, known: &[&str], at: proc_macro2::Span) -> Result<()> {
        match self.0.iter().find(|(k, _)| !known.contains(&k.as_str())) {
            Some((k, _)) => Err(Error::new(at, format!("unknown word `{k}`; known: {}", known.join(", ")))),
            None => Ok(()),
        }
    }
}

/// The doc comment as one line.
pub fn doc(attrs: &[Attribute]) -> String {
    let mut lines = Vec::new();
    for a in attrs.iter().filter(|a| a.path().is_ident("doc")) {
        if let Meta::NameValue(nv) = &a.meta
            && let Expr::Lit(l) = &nv.value
            && let Lit::Str(s) = &l.lit
        {
            lines.push(s.value().trim().to_owned());
        }
    }
    lines.join(" ").trim().to_owned()
}

pub fn fields(input: &DeriveInput) -> Result<Vec<&Field>> {
    match &input.data {
        Data::Struct(s) => Ok(s.fields.iter().filter(|f| f.ident.is_some()).collect()),
        _ => Err(Error::new(input.span(), "only structs are declared this way")),
    }
}

/// The wire name of a field: as renamed, or its own without `r#`.
pub fn wire_name(field: &Field, words: &Words) -> Result<String> {
    let own = field.ident.as_ref().map(ToString::to_string).unwrap_or_default();
    Ok(words.text("name")?.unwrap_or_else(|| own.trim_start_matches("r#").to_owned()))
}
