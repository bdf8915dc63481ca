//! placeholder until the reader of .npz lands
