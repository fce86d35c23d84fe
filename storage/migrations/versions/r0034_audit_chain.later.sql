INSERT INTO audit_unsealed (audit_id)
SELECT a.id FROM audit a WHERE NOT EXISTS (SELECT FROM audit_chain c WHERE c.audit_id = a.id)
ON CONFLICT DO NOTHING;
