"""The passes of the compiler, one small file each; `structdsl.compile` names their order."""
