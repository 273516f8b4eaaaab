"""What is measured of each model beside what every model has."""
