use crate::attributes::{Words, doc, fields, wire_name};
use proc_macro2::TokenStream;
use quote::quote;
use syn::spanned::Spanned;
use syn::{DeriveInput, Error, Result};

const WORDS: &[&str] = &["name", "roles", "answer", "view", "event", "job", "on", "create", "wrapper", "since"];
const PARAM: &[&str] = &["name", "kind", "since", "length", "flatten"];

pub fn expand(input: DeriveInput) -> Result<TokenStream> {
    let words = Words::of(&input.attrs, "command")?;
    words.only(WORDS, input.span())?;
    let ty = &input.ident;
    let need = |key: &str| words.text(key)?.ok_or_else(|| Error::new(input.span(), format!("`{key}` is missing")));
    let name = need("name")?;
    let roles = roles(&need("roles")?, input.span())?;
    let description = doc(&input.attrs);
    let opt = |v: Option<String>| v.map_or_else(|| quote!(None), |v| quote!(Some(#v)));
    let (answer, event, job, wrapper, since) = (
        opt(words.text("answer")?),
        opt(words.text("event")?),
        opt(words.text("job")?),
        opt(words.text("wrapper")?),
        opt(words.text("since")?),
    );
    let response = match words.value("view") {
        Some(view) => quote!(Some(<#view as crate::declare::Record>::fields)),
        None => quote!(None),
    };
    let on = words.text("on")?;
    let subject = opt(on.clone());
    let (params, takes, names) = parameters(&input)?;
    let topic = match &on {
        Some(field) => {
            let field = syn::Ident::new(field, input.span());
            quote!(Some(crate::declare::AsTopic::topic(&self.#field)))
        }
        None => quote!(None),
    };
    let start = if words.has("create") {
        quote!(crate::declare::Start::Create { create: crate::declare::create_of::<#ty>, finish: crate::declare::finish_of::<#ty> })
    } else {
        quote!(crate::declare::Start::Run(crate::declare::run_of::<#ty>))
    };
    let run_bound = if words.has("job") && !words.has("create") { quote!(Some(crate::declare::topic_of::<#ty>)) } else { quote!(None) };
    Ok(quote! {
        impl crate::declare::Declared for #ty {
            const META: crate::declare::Meta = crate::declare::Meta {
                name: #name, description: #description, roles: #roles, answer: #answer, event: #event, job: #job,
                wrapper: #wrapper, since: #since, on: #subject, parameters: <#ty as crate::declare::Declared>::parameters,
                response: #response, start: #start, topic: #run_bound,
            };
            fn parameters() -> Vec<crate::declare::ParamMeta> {
                let mut list = Vec::new();
                #(#params)*
                list
            }
            async fn parse(call: &crate::prelude::Call, given: &mut crate::request::Given) -> crate::prelude::Result<Self> {
                #(#takes)*
                Ok(Self { #(#names),* })
            }
            fn topic(&self) -> Option<crate::prelude::Topic> {
                // Parameters that are refused or ignored are read nowhere else.
                #(let _ = &self.#names;)*
                #topic
            }
        }
    })
}

fn roles(text: &str, at: proc_macro2::Span) -> Result<u8> {
    let mut mask = 0;
    for word in text.split(',') {
        mask |= match word.trim() {
            "all" => 15,
            "admins" => 7,
            "admin" => 1,
            "resourceadmin" => 2,
            "domainadmin" => 4,
            "user" => 8,
            other => return Err(Error::new(at, format!("no role `{other}`"))),
        };
    }
    Ok(mask)
}

type Parts = (Vec<TokenStream>, Vec<TokenStream>, Vec<syn::Ident>);

fn parameters(input: &DeriveInput) -> Result<Parts> {
    let (mut metas, mut takes, mut names) = (Vec::new(), Vec::new(), Vec::new());
    for f in fields(input)? {
        let words = Words::of(&f.attrs, "param")?;
        words.only(PARAM, f.span())?;
        let (Some(ident), ty) = (f.ident.clone(), &f.ty) else { continue };
        names.push(ident.clone());
        if words.has("flatten") {
            metas.push(quote!(list.extend(<#ty as crate::declare::Group>::parameters());));
            takes.push(quote!(let #ident = <#ty as crate::declare::Group>::parse(call, given).await?;));
            continue;
        }
        let (name, description) = (wire_name(f, &words)?, doc(&f.attrs));
        if description.is_empty() {
            return Err(Error::new(f.span(), "a parameter needs a doc comment: it is what listApis says"));
        }
        let kind = match words.text("kind")? {
            Some(k) => quote!(#k),
            None => quote!(<#ty as crate::declare::Parameter>::KIND),
        };
        let since = words.text("since")?.map_or_else(|| quote!(None), |s| quote!(Some(#s)));
        let length = words.value("length").map_or_else(|| quote!(255), |l| quote!(#l));
        metas.push(quote!(list.push(crate::declare::ParamMeta {
            name: #name, description: #description, kind: #kind,
            required: <#ty as crate::declare::Parameter>::REQUIRED, length: #length, since: #since,
        });));
        takes.push(quote!(let #ident = <#ty as crate::declare::Parameter>::take(call, given, #name, #length).await?;));
    }
    Ok((metas, takes, names))
}
