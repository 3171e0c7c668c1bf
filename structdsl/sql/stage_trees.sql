-- The trees that rows of the stage are of.
SELECT nodes.*
FROM nodes
SEMI JOIN rows USING (tree_id)
