"""stub"""
def renew(con, models, dry_run): return None
