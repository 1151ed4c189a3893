"""The model picker and the first steps without their widgets."""
