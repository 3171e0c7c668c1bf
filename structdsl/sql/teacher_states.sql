-- What the teacher makes of each supervised position: the token and its first choice, their log-probabilities, and the
-- hidden state that all of its distribution comes from.
SELECT
  texts.sample_id,
  texts."offset" + states."offset" AS "offset",
  states.ids,
  states.logprobs,
  texts.position,
  states.hidden
FROM texts
JOIN states USING (text)
