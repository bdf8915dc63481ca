//! The attributes of a node.

use super::budget::Budget;
use super::external::External;
use super::tensor::{Numbers, Tensor};
use rten_onnx::onnx::{AttributeProto, TensorProto};

/// The attributes of a node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attributes<'a>(pub(super) &'a [AttributeProto]);

impl<'a> Attributes<'a> {
    fn find(self, name: &str) -> Option<&'a AttributeProto> {
        self.0.iter().find(|a| a.name.as_deref() == Some(name))
    }

    pub(super) fn int(self, name: &str) -> Result<Option<i64>, String> {
        let value = |a: &AttributeProto| a.i.ok_or_else(|| format!("its attribute `{name}` is no integer"));
        self.find(name).map(value).transpose()
    }

    pub(super) fn flag(self, name: &str) -> Result<bool, String> {
        Ok(self.int(name)?.unwrap_or(0) != 0)
    }

    pub(super) fn float(self, name: &str) -> Result<Option<f32>, String> {
        let value = |a: &AttributeProto| a.f.ok_or_else(|| format!("its attribute `{name}` is no number"));
        self.find(name).map(value).transpose()
    }

    pub(super) fn ints(self, name: &str) -> Result<Option<&'a [i64]>, String> {
        Ok(self.find(name).map(|a| &a.ints[..]))
    }

    pub(super) fn floats(self, name: &str) -> Result<Option<&'a [f32]>, String> {
        Ok(self.find(name).map(|a| &a.floats[..]))
    }

    pub(super) fn text(self, name: &str) -> Option<&'a str> {
        self.find(name).and_then(|a| a.s.as_deref())
    }

    pub(super) fn tensor(self, name: &str) -> Result<Option<Tensor>, String> {
        let Some(attribute) = self.find(name) else {
            return Ok(None);
        };
        let none = TensorProto::default();
        let proto = attribute.t.as_ref().unwrap_or(&none);
        // It stands in the file, and files beside it are not for attributes, so nothing is spent.
        Tensor::decode(proto, None, &mut External::none(), &mut Budget::of(0)).map(Some)
    }

    /// The value of a Constant.
    pub(super) fn constant(self) -> Result<Tensor, String> {
        if let Some(tensor) = self.tensor("value")? {
            return Ok(tensor);
        }
        if let Some(value) = self.find("value_float").and_then(|a| a.f) {
            return Tensor::new(vec![], Numbers::Floats([value].into()));
        }
        if let Some(value) = self.find("value_int").and_then(|a| a.i) {
            return Tensor::new(vec![], Numbers::Integers([value].into()));
        }
        if let Some(attribute) = self.find("value_floats") {
            return Tensor::new(
                vec![attribute.floats.len()],
                Numbers::Floats(attribute.floats.as_slice().into()),
            );
        }
        if let Some(attribute) = self.find("value_ints") {
            return Ok(Tensor::integers(attribute.ints.clone()));
        }
        Err("a constant of text or of sparse form is not supported".into())
    }
}
