-- What a person has decided, then what the model is sure of; the rest it finds likely is for a person to look at.
{{ linkage_outcome('adresse', ref('int_adresse__kandidater'), 'husnummer_id') }}
