"""Object stores that speak S3, and what is kept in them. Nothing else in the house imports boto3."""
