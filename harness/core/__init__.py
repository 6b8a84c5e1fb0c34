"""The ground floor: types, protocols, errors and small helpers that import nothing of ours."""
