-- What a person has decided, then what the model is sure of; the rest it finds likely is for a person to look at.
{{ linkage_outcome('leverandoer', ref('int_leverandoer__kandidater'), 'cvr_nummer') }}
