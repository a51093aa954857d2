//! tmp until infra and stuff are merged
use crate::prelude::*;
found!(Zone => Kind::Zone);
found!(Pod => Kind::Pod);
found!(ServiceOffering => Kind::ServiceOffering);
